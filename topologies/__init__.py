"""Pure folds over the log: facts go in, numbered outputs come out, and nothing else happens.

Topologies: `oee`, `stops`, `anomaly` (with what `anomaly_*` holds). What they share: `cells` routes records to machines;
`machine` is what happened at one, by `day`, in `series`; `facts` is what an event changes; `plan` what is said of a machine,
as `steps` over time; `counter` how counters rise; `tally` what it all adds up to between cut points; `episode` which stretches
were stops, `interval` where one state holds.
"""
