"""Training: trainers are plug-ins that end with a diffusers folder; one loop serves them all."""
