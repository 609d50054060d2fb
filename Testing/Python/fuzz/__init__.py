"""Hostile files made from a seed, and processes that read them: what crashes, hangs or lies is counted, not assumed."""
