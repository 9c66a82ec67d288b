"""Turns a trained run into files that other programs load. Installed as keras_infogan.export."""
