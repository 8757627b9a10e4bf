"""placeholder until merge"""


def read(path):
    raise NotImplementedError


def apply(pipeline, adapters):
    pass
