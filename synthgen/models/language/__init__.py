"""Foundation models of text: causal language models, and masked or block diffusion."""
