"""The version of this program, as the package index would know it."""

from importlib.metadata import version

VERSION = version("opslore")
