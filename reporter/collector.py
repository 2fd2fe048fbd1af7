"""The garbage collector, told what it need not look at."""

import gc


def spare() -> None:
    """Takes what is loaded out of the collector's sight: a batch makes no cycles, and looking cost a tenth."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
