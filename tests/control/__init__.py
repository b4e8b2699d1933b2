"""Reconciliation as a specification: what an endpoint has, shows and answers in every situation, step by step."""
