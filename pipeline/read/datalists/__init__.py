"""Adapters: one module a family of data sets, each giving the same plain list of cases."""
