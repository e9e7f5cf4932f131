"""The REST API of the old system, for its web front end: the same paths, names and bodies.

It has no rules of its own: an endpoint reads the request, calls domain functions, and writes the response.
"""
