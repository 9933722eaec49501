"""Read models: what the logs say, as rows that dashboards and people query.

`tables` are the tables, `store_*` adapters of the store port, `oee`, `facts` the mappings from log to rows, `oee_result` the
policies that are applied when somebody asks.
"""
