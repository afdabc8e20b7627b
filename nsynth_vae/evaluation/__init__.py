"""What `python -m nsynth_vae.evaluate` is made of: notes, systems that play them, measures, tables and pages."""
