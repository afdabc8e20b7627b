"""Renderings of timbres: sounds, pictures, pages."""
