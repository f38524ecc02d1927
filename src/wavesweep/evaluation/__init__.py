"""How good forecasts are: made, scored, compared beyond chance, and with intervals around them."""
