"""Writers: file formats of a shard. One file a plug-in, named as in recipes."""
