"""Preparation of features by Apache Beam: files of features and their index, which training reads."""
