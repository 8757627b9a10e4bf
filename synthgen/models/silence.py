"""Loading models without the bars and advice of the libraries that load them."""

from __future__ import annotations

import sys
import threading


def silence_libraries() -> None:
    """Silences diffusers up to errors, and transformers if it has been imported."""
    import diffusers
    from tqdm import tqdm

    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    tqdm.set_lock(threading.RLock())  # its own would be a semaphore, which a killed worker leaves behind
    transformers = sys.modules.get("transformers")
    if transformers:
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
