"""Telling others of events: files, webhooks and AWS's messaging services."""
