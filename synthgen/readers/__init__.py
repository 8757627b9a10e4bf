"""Real data, as people keep it on disk: labelled images, images with masks or boxes."""
