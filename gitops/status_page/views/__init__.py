"""The content of each page, as values made from statuses and git history: one module for each page, and its parts.

Pure: no I/O, no clock, no HTML. Every text passed safe_text.clean, so a template only has to escape it. Times stay
absolute; the template turns them into "3 min ago". The JSON API serves the same values. Begin at overview.py.
"""
