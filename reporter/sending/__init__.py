"""What leaves the house: texts, channels, patience. It runs in a process of its own and knows no database.

`sender.py` sends what it is handed and gives each notice back with what came of it; `lane.py` is one channel's queue
in it; `wording.py` and `texts.py` say what is sent, `links.py` signs one-tap links, `patience.py` says when to try
again. `__main__.py` is the process, `frames.py` how it talks with the service that started it
(`engine/outside.py`).
"""
