"""What every room stands on and that knows nothing of datasets: names, units, files, the terminal, the machine."""
