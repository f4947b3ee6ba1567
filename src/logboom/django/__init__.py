"""A Django app with one system check: `INSTALLED_APPS = [..., "logboom.django"]`.

Owns: the check of `LOGGING`. Never knows: how logboom's handlers work.
"""
