"""Series in, parts out: data sets, splits, scaling, periods."""
