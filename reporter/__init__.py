"""Reporter 突发事件直报时限跟踪: tracks statutory reporting deadlines, pages people, proves what happened."""

__version__ = "0.1.0"
