"""Databases: connections, transactions, errors, routers, and the models behind them."""
