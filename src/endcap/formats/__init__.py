"""What shops' files look like: each format is read as rows under the names of Merchant feeds and GA4.

Knows bytes, encodings and field names of the formats. Does not know the log, mappings or what a row becomes.
"""
