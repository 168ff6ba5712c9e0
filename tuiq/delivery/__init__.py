"""The wire: recipients and bytes in, outcomes out; knows no queue file.

``transport`` is the border to the runner, ``smtp.Session`` the one way across.
"""
