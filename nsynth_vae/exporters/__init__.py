"""Export of models as SavedModels and TFLite files."""
