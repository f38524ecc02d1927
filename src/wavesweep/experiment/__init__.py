"""The experiment: from a prepared configuration to events, with no file, picture, terminal or tracker."""
