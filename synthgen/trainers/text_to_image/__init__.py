"""The trainer that fine-tunes text-to-image pipelines."""
