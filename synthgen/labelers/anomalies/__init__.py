"""`use: anomalies`: anomalies of known kinds, put into normal series."""
