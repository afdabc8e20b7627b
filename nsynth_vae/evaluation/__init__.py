"""Evaluation of systems that play notes: measures, probes, reports."""
