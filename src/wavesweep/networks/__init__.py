"""Networks: what forecasts in scaled units, one step ahead and in closed loop."""
