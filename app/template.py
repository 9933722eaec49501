"""The plant file that `tailrace init` writes."""

TEMPLATE = """\
# A plant file: which machines there are, where their signals come from, how OEE is computed.
# Check it with `tailrace validate plant.yaml`, run it with `tailrace up plant.yaml`. All fields: docs/plant.md

site:
  name: Demo Plant
  definition: standard            # the OEE definition of every machine that names none
  timezone: UTC                   # the zone of calendars and of the times on the page, like Europe/Berlin
  calendar: three-shift           # by which every machine works, unless it or its line names another one

# data: tailrace-data             # data folder, seen from this file; `--dir` goes before it

machines:
  MCH001:
    area: Assembly
    line: Line 1
  MCH002:
    area: Assembly
    line: Line 1
    counters:                     # how its cumulative counters behave
      total:
        modulus: 1000000          # it starts again at 0 after 999999
        max_step: 500             # more parts than this between two readings is an error
    signals: [MachineTemp, PowerPeak]   # another signal from it is quarantined; leave the line out to take any

calendars:                        # docs/calendar.md: also holidays, exceptions, planned stops, another one from a day on
  - name: three-shift
    shifts:                       # local times; a night belongs to the day on which it begins
      - name: early
        start: 06:00
        end: 14:00
        # days: [mon, tue, wed, thu, fri]       # leave the line out for every day
        # breaks: [{start: 10:00, end: 10:30}]  # planned stops of every such shift
      - {name: late, start: 14:00, end: 22:00}
      - {name: night, start: 22:00, end: 06:00}

definitions:
  - name: standard
    version: 1                    # a used version is never changed: write version 2 with its valid_from
    policy:
      microstop_s: 300            # a shorter stop is a microstop, not a breakdown
      setup: loss                 # loss | exclude
      state_map:                  # state words that are not known by themselves
        warmup: setup             # run | unplanned | setup | planned_stop | unknown

reasons:                          # what people choose from for a stop; docs/stops.md has the six big losses
  - name: Failure
    category: unplanned           # of all in it: run | unplanned | setup | planned_stop | unknown
    loss: equipment_failure       # setup_adjustments | idling_minor_stops | reduced_speed | process_defects | reduced_yield
    reasons:
      - name: Mechanical fault
      - name: Electrical fault
      - {name: Tool breakage, machines: [MCH001]}   # offered for this machine only; also lines: [Line 1]
  - name: Setup
    category: setup
    loss: setup_adjustments
    reasons: [{name: Changeover}, {name: Adjustment}, {name: Warm-up, loss: reduced_yield}]
  - name: Waiting
    category: unplanned
    loss: idling_minor_stops
    reasons: [{name: No material}, {name: Material jam}, {name: Blocked downstream}]
  - name: Planned
    category: planned_stop        # no loss of its own
    reasons: [{name: Break}, {name: Maintenance}, {name: No order}]

sources:
  - kind: opcua
    name: line1
    url: opc.tcp://localhost:4840/
    machines:
      MCH001:
        state:
          node: ns=2;s=MCH001.State
          map: {0: stopped, 1: running, 2: setup}
        counters:
          total: ns=2;s=MCH001.Total
          reject: ns=2;s=MCH001.Reject
        product: ns=2;s=MCH001.Product
        ideal_cycle_s: 1.5        # seconds per part; also a table by product, or a node
        values:
          MachineTemp: ns=2;s=MCH001.Temp

  - kind: mqtt
    name: floor
    url: mqtt://localhost:1883
    topic: plant/{machine}/data   # this level of the topic is the machine
    payload:                      # where in the JSON payload what stands
      time: $.ts                  # ISO 8601, or seconds since 1970 ({path: $.ts, unit: ms} for milliseconds)
      sequence: $.seq             # the device's own count, with session: nothing is counted twice
      session: $.boot
      state: $.state
      counters:
        total: $.parts
      values:
        MachineTemp: $.temp
        PowerPeak: $.power
"""
