"""Executors: who runs the loop. `local` in this process or several, `ray` on a cluster; the bytes are the same."""
