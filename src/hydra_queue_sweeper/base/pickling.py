"""Pickling what programs define in `__main__`, by value: structured configurations, and the tasks that take them."""

import copyreg
import dataclasses
import pickle

import cloudpickle

# A field without a default is known by this very object, of which unpickling would make another.
copyreg.pickle(type(dataclasses.MISSING), lambda _: "MISSING")

dumps, loads = cloudpickle.dumps, pickle.loads
