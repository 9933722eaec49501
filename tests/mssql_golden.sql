-- session
SET XACT_ABORT ON; SET LOCK_TIMEOUT 10000

-- lock
DECLARE @had INT; EXEC @had = sp_getapplock @Resource = N'tailrace.schema:plant', @LockMode = N'Exclusive', @LockOwner = N'Transaction', @LockTimeout = 60000; SELECT @had

-- fence
SET NOCOUNT ON; UPDATE [plant].[checkpoint] SET [position] = ?, [marks] = CAST(? AS VARBINARY(MAX)) WHERE [projection] = ? AND [position] = ? AND [marks] = CAST(? AS VARBINARY(MAX)); SELECT @@ROWCOUNT

-- fence of a first commit
SET NOCOUNT ON; INSERT INTO [plant].[checkpoint] ([projection], [position], [marks]) SELECT s.[projection], s.[position], s.[marks] FROM (SELECT CAST(? AS NVARCHAR(256)) AS [projection], CAST(? AS BIGINT) AS [position], CAST(? AS VARBINARY(MAX)) AS [marks]) AS s WHERE NOT EXISTS (SELECT 1 FROM [plant].[checkpoint] AS t WITH (UPDLOCK, HOLDLOCK) WHERE t.[projection] = s.[projection] COLLATE Latin1_General_100_BIN2); SELECT @@ROWCOUNT

-- place
SELECT [position], [marks] FROM [plant].[checkpoint] WHERE [projection] = ?

-- anomaly: upsert
SET NOCOUNT ON;
SELECT j.[RecordID] COLLATE Latin1_General_100_BIN2 AS [RecordID], j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine], j.[AnomalyScore] AS [AnomalyScore], j.[DetectionTime] AS [DetectionTime], j.[t_ns] AS [t_ns], j.[since] AS [since], j.[since_ns] AS [since_ns], j.[event] AS [event], j.[severity] COLLATE Latin1_General_100_BIN2 AS [severity], j.[explanation] AS [explanation], j.[reasons] AS [reasons], j.[product] COLLATE Latin1_General_100_BIN2 AS [product], j.[model] AS [model], j.[flags] AS [flags], j.[cleared] AS [cleared], j.[cleared_ns] AS [cleared_ns], j.[cleared_by] COLLATE Latin1_General_100_BIN2 AS [cleared_by], j.[peak] AS [peak] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([RecordID] NVARCHAR(64) '$[0]', [machine] NVARCHAR(64) '$[1]', [AnomalyScore] FLOAT '$[2]', [DetectionTime] DATETIME2(6) '$[3]', [t_ns] BIGINT '$[4]', [since] DATETIME2(6) '$[5]', [since_ns] BIGINT '$[6]', [event] NVARCHAR(max) '$[7]', [severity] NVARCHAR(64) '$[8]', [explanation] NVARCHAR(max) '$[9]', [reasons] NVARCHAR(max) '$[10]', [product] NVARCHAR(64) '$[11]', [model] BIGINT '$[12]', [flags] NVARCHAR(max) '$[13]', [cleared] DATETIME2(6) '$[14]', [cleared_ns] BIGINT '$[15]', [cleared_by] NVARCHAR(64) '$[16]', [peak] FLOAT '$[17]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
UPDATE t SET t.[machine] = s.[machine], t.[AnomalyScore] = s.[AnomalyScore], t.[DetectionTime] = s.[DetectionTime], t.[t_ns] = s.[t_ns], t.[since] = s.[since], t.[since_ns] = s.[since_ns], t.[event] = s.[event], t.[severity] = s.[severity], t.[explanation] = s.[explanation], t.[reasons] = s.[reasons], t.[product] = s.[product], t.[model] = s.[model], t.[flags] = s.[flags], t.[cleared] = s.[cleared], t.[cleared_ns] = s.[cleared_ns], t.[cleared_by] = s.[cleared_by], t.[peak] = s.[peak] FROM [plant].[anomaly] AS t JOIN #staging AS s ON s.[RecordID] = t.[RecordID];
INSERT INTO [plant].[anomaly] ([RecordID], [machine], [AnomalyScore], [DetectionTime], [t_ns], [since], [since_ns], [event], [severity], [explanation], [reasons], [product], [model], [flags], [cleared], [cleared_ns], [cleared_by], [peak]) SELECT s.[RecordID], s.[machine], s.[AnomalyScore], s.[DetectionTime], s.[t_ns], s.[since], s.[since_ns], s.[event], s.[severity], s.[explanation], s.[reasons], s.[product], s.[model], s.[flags], s.[cleared], s.[cleared_ns], s.[cleared_by], s.[peak] FROM #staging AS s WHERE NOT EXISTS (SELECT 1 FROM [plant].[anomaly] AS t WITH (UPDLOCK, HOLDLOCK) WHERE s.[RecordID] = t.[RecordID]);
DROP TABLE #staging;
SELECT @rows

-- anomaly: delete
SET NOCOUNT ON;
SELECT j.[RecordID] COLLATE Latin1_General_100_BIN2 AS [RecordID] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([RecordID] NVARCHAR(64) '$[0]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
DELETE t FROM [plant].[anomaly] AS t JOIN #staging AS s ON s.[RecordID] = t.[RecordID];
DROP TABLE #staging;
SELECT @rows

-- checkpoint: upsert
SET NOCOUNT ON;
SELECT j.[projection] COLLATE Latin1_General_100_BIN2 AS [projection], j.[position] AS [position], CAST(0x AS VARBINARY(MAX)) AS [marks] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([projection] NVARCHAR(256) '$[0]', [position] BIGINT '$[1]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
UPDATE t SET t.[position] = s.[position], t.[marks] = s.[marks] FROM [plant].[checkpoint] AS t JOIN #staging AS s ON s.[projection] = t.[projection];
INSERT INTO [plant].[checkpoint] ([projection], [position], [marks]) SELECT s.[projection], s.[position], s.[marks] FROM #staging AS s WHERE NOT EXISTS (SELECT 1 FROM [plant].[checkpoint] AS t WITH (UPDLOCK, HOLDLOCK) WHERE s.[projection] = t.[projection]);
DROP TABLE #staging;
SELECT @rows

-- checkpoint: delete
SET NOCOUNT ON;
SELECT j.[projection] COLLATE Latin1_General_100_BIN2 AS [projection] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([projection] NVARCHAR(256) '$[0]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
DELETE t FROM [plant].[checkpoint] AS t JOIN #staging AS s ON s.[projection] = t.[projection];
DROP TABLE #staging;
SELECT @rows

-- command: upsert
SET NOCOUNT ON;
SELECT j.[id] COLLATE Latin1_General_100_BIN2 AS [id], j.[stop] COLLATE Latin1_General_100_BIN2 AS [stop], j.[accepted] AS [accepted], j.[expected_revision] AS [expected_revision], j.[revision] AS [revision] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([id] NVARCHAR(256) '$[0]', [stop] NVARCHAR(64) '$[1]', [accepted] BIGINT '$[2]', [expected_revision] BIGINT '$[3]', [revision] BIGINT '$[4]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
UPDATE t SET t.[stop] = s.[stop], t.[accepted] = s.[accepted], t.[expected_revision] = s.[expected_revision], t.[revision] = s.[revision] FROM [plant].[command] AS t JOIN #staging AS s ON s.[id] = t.[id];
INSERT INTO [plant].[command] ([id], [stop], [accepted], [expected_revision], [revision]) SELECT s.[id], s.[stop], s.[accepted], s.[expected_revision], s.[revision] FROM #staging AS s WHERE NOT EXISTS (SELECT 1 FROM [plant].[command] AS t WITH (UPDLOCK, HOLDLOCK) WHERE s.[id] = t.[id]);
DROP TABLE #staging;
SELECT @rows

-- command: delete
SET NOCOUNT ON;
SELECT j.[id] COLLATE Latin1_General_100_BIN2 AS [id] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([id] NVARCHAR(256) '$[0]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
DELETE t FROM [plant].[command] AS t JOIN #staging AS s ON s.[id] = t.[id];
DROP TABLE #staging;
SELECT @rows

-- log_block: upsert
SET NOCOUNT ON;
SELECT j.[block] AS [block], j.[ingested_ns] AS [ingested_ns] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([block] BIGINT '$[0]', [ingested_ns] BIGINT '$[1]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
UPDATE t SET t.[ingested_ns] = s.[ingested_ns] FROM [plant].[log_block] AS t JOIN #staging AS s ON s.[block] = t.[block];
INSERT INTO [plant].[log_block] ([block], [ingested_ns]) SELECT s.[block], s.[ingested_ns] FROM #staging AS s WHERE NOT EXISTS (SELECT 1 FROM [plant].[log_block] AS t WITH (UPDLOCK, HOLDLOCK) WHERE s.[block] = t.[block]);
DROP TABLE #staging;
SELECT @rows

-- log_block: delete
SET NOCOUNT ON;
SELECT j.[block] AS [block] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([block] BIGINT '$[0]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
DELETE t FROM [plant].[log_block] AS t JOIN #staging AS s ON s.[block] = t.[block];
DROP TABLE #staging;
SELECT @rows

-- log_block: add
SET NOCOUNT ON;
SELECT j.[block] AS [block], j.[ingested_ns] AS [ingested_ns] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([block] BIGINT '$[0]', [ingested_ns] BIGINT '$[1]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
UPDATE t SET t.[ingested_ns] = CASE WHEN s.[ingested_ns] > t.[ingested_ns] THEN s.[ingested_ns] ELSE t.[ingested_ns] END FROM [plant].[log_block] AS t JOIN #staging AS s ON s.[block] = t.[block];
INSERT INTO [plant].[log_block] ([block], [ingested_ns]) SELECT s.[block], s.[ingested_ns] FROM #staging AS s WHERE NOT EXISTS (SELECT 1 FROM [plant].[log_block] AS t WITH (UPDLOCK, HOLDLOCK) WHERE s.[block] = t.[block]);
DROP TABLE #staging;
SELECT @rows

-- machine: upsert
SET NOCOUNT ON;
SELECT j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine], j.[site] AS [site], j.[area] AS [area], j.[line] AS [line], j.[definition] AS [definition] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([machine] NVARCHAR(64) '$[0]', [site] NVARCHAR(max) '$[1]', [area] NVARCHAR(max) '$[2]', [line] NVARCHAR(max) '$[3]', [definition] NVARCHAR(max) '$[4]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
UPDATE t SET t.[site] = s.[site], t.[area] = s.[area], t.[line] = s.[line], t.[definition] = s.[definition] FROM [plant].[machine] AS t JOIN #staging AS s ON s.[machine] = t.[machine];
INSERT INTO [plant].[machine] ([machine], [site], [area], [line], [definition]) SELECT s.[machine], s.[site], s.[area], s.[line], s.[definition] FROM #staging AS s WHERE NOT EXISTS (SELECT 1 FROM [plant].[machine] AS t WITH (UPDLOCK, HOLDLOCK) WHERE s.[machine] = t.[machine]);
DROP TABLE #staging;
SELECT @rows

-- machine: delete
SET NOCOUNT ON;
SELECT j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([machine] NVARCHAR(64) '$[0]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
DELETE t FROM [plant].[machine] AS t JOIN #staging AS s ON s.[machine] = t.[machine];
DROP TABLE #staging;
SELECT @rows

-- machine: upsert of keys alone
SET NOCOUNT ON;
SELECT j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([machine] NVARCHAR(64) '$[0]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
INSERT INTO [machine] ([machine]) SELECT s.[machine] FROM #staging AS s WHERE NOT EXISTS (SELECT 1 FROM [machine] AS t WITH (UPDLOCK, HOLDLOCK) WHERE s.[machine] = t.[machine]);
DROP TABLE #staging;
SELECT @rows

-- machine_now: upsert
SET NOCOUNT ON;
SELECT j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine], j.[state] COLLATE Latin1_General_100_BIN2 AS [state], j.[why] AS [why], j.[since_ns] AS [since_ns], j.[since] AS [since] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([machine] NVARCHAR(64) '$[0]', [state] NVARCHAR(64) '$[1]', [why] NVARCHAR(max) '$[2]', [since_ns] BIGINT '$[3]', [since] DATETIME2(6) '$[4]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
UPDATE t SET t.[state] = s.[state], t.[why] = s.[why], t.[since_ns] = s.[since_ns], t.[since] = s.[since] FROM [plant].[machine_now] AS t JOIN #staging AS s ON s.[machine] = t.[machine];
INSERT INTO [plant].[machine_now] ([machine], [state], [why], [since_ns], [since]) SELECT s.[machine], s.[state], s.[why], s.[since_ns], s.[since] FROM #staging AS s WHERE NOT EXISTS (SELECT 1 FROM [plant].[machine_now] AS t WITH (UPDLOCK, HOLDLOCK) WHERE s.[machine] = t.[machine]);
DROP TABLE #staging;
SELECT @rows

-- machine_now: delete
SET NOCOUNT ON;
SELECT j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([machine] NVARCHAR(64) '$[0]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
DELETE t FROM [plant].[machine_now] AS t JOIN #staging AS s ON s.[machine] = t.[machine];
DROP TABLE #staging;
SELECT @rows

-- oee_bucket: upsert
SET NOCOUNT ON;
SELECT j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine], j.[start_ns] AS [start_ns], j.[product] COLLATE Latin1_General_100_BIN2 AS [product], j.[start] AS [start], j.[revision] AS [revision], j.[known_from_ns] AS [known_from_ns], j.[off_run_ns] AS [off_run_ns], j.[off_unplanned_ns] AS [off_unplanned_ns], j.[off_setup_ns] AS [off_setup_ns], j.[off_planned_ns] AS [off_planned_ns], j.[off_unknown_ns] AS [off_unknown_ns], j.[planned_run_ns] AS [planned_run_ns], j.[planned_unplanned_ns] AS [planned_unplanned_ns], j.[planned_setup_ns] AS [planned_setup_ns], j.[planned_planned_ns] AS [planned_planned_ns], j.[planned_unknown_ns] AS [planned_unknown_ns], j.[shift_run_ns] AS [shift_run_ns], j.[shift_unplanned_ns] AS [shift_unplanned_ns], j.[shift_setup_ns] AS [shift_setup_ns], j.[shift_planned_ns] AS [shift_planned_ns], j.[shift_unknown_ns] AS [shift_unknown_ns], j.[off_idle_good] AS [off_idle_good], j.[off_idle_reject] AS [off_idle_reject], j.[off_idle_rework] AS [off_idle_rework], j.[off_run_good] AS [off_run_good], j.[off_run_reject] AS [off_run_reject], j.[off_run_rework] AS [off_run_rework], j.[planned_idle_good] AS [planned_idle_good], j.[planned_idle_reject] AS [planned_idle_reject], j.[planned_idle_rework] AS [planned_idle_rework], j.[planned_run_good] AS [planned_run_good], j.[planned_run_reject] AS [planned_run_reject], j.[planned_run_rework] AS [planned_run_rework], j.[shift_good] AS [shift_good], j.[shift_reject] AS [shift_reject], j.[shift_rework] AS [shift_rework], j.[off_idle_good_ideal_ns] AS [off_idle_good_ideal_ns], j.[off_idle_reject_ideal_ns] AS [off_idle_reject_ideal_ns], j.[off_idle_rework_ideal_ns] AS [off_idle_rework_ideal_ns], j.[off_run_good_ideal_ns] AS [off_run_good_ideal_ns], j.[off_run_reject_ideal_ns] AS [off_run_reject_ideal_ns], j.[off_run_rework_ideal_ns] AS [off_run_rework_ideal_ns], j.[planned_idle_good_ideal_ns] AS [planned_idle_good_ideal_ns], j.[planned_idle_reject_ideal_ns] AS [planned_idle_reject_ideal_ns], j.[planned_idle_rework_ideal_ns] AS [planned_idle_rework_ideal_ns], j.[planned_run_good_ideal_ns] AS [planned_run_good_ideal_ns], j.[planned_run_reject_ideal_ns] AS [planned_run_reject_ideal_ns], j.[planned_run_rework_ideal_ns] AS [planned_run_rework_ideal_ns], j.[shift_good_ideal_ns] AS [shift_good_ideal_ns], j.[shift_reject_ideal_ns] AS [shift_reject_ideal_ns], j.[shift_rework_ideal_ns] AS [shift_rework_ideal_ns], j.[off_idle_no_ideal] AS [off_idle_no_ideal], j.[off_run_no_ideal] AS [off_run_no_ideal], j.[planned_idle_no_ideal] AS [planned_idle_no_ideal], j.[planned_run_no_ideal] AS [planned_run_no_ideal], j.[shift_no_ideal] AS [shift_no_ideal], j.[counter_rollover] AS [counter_rollover], j.[counter_reset] AS [counter_reset], j.[counter_backstep] AS [counter_backstep], j.[counter_anomaly] AS [counter_anomaly] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([machine] NVARCHAR(64) '$[0]', [start_ns] BIGINT '$[1]', [product] NVARCHAR(64) '$[2]', [start] DATETIME2(6) '$[3]', [revision] BIGINT '$[4]', [known_from_ns] BIGINT '$[5]', [off_run_ns] BIGINT '$[6]', [off_unplanned_ns] BIGINT '$[7]', [off_setup_ns] BIGINT '$[8]', [off_planned_ns] BIGINT '$[9]', [off_unknown_ns] BIGINT '$[10]', [planned_run_ns] BIGINT '$[11]', [planned_unplanned_ns] BIGINT '$[12]', [planned_setup_ns] BIGINT '$[13]', [planned_planned_ns] BIGINT '$[14]', [planned_unknown_ns] BIGINT '$[15]', [shift_run_ns] BIGINT '$[16]', [shift_unplanned_ns] BIGINT '$[17]', [shift_setup_ns] BIGINT '$[18]', [shift_planned_ns] BIGINT '$[19]', [shift_unknown_ns] BIGINT '$[20]', [off_idle_good] BIGINT '$[21]', [off_idle_reject] BIGINT '$[22]', [off_idle_rework] BIGINT '$[23]', [off_run_good] BIGINT '$[24]', [off_run_reject] BIGINT '$[25]', [off_run_rework] BIGINT '$[26]', [planned_idle_good] BIGINT '$[27]', [planned_idle_reject] BIGINT '$[28]', [planned_idle_rework] BIGINT '$[29]', [planned_run_good] BIGINT '$[30]', [planned_run_reject] BIGINT '$[31]', [planned_run_rework] BIGINT '$[32]', [shift_good] BIGINT '$[33]', [shift_reject] BIGINT '$[34]', [shift_rework] BIGINT '$[35]', [off_idle_good_ideal_ns] BIGINT '$[36]', [off_idle_reject_ideal_ns] BIGINT '$[37]', [off_idle_rework_ideal_ns] BIGINT '$[38]', [off_run_good_ideal_ns] BIGINT '$[39]', [off_run_reject_ideal_ns] BIGINT '$[40]', [off_run_rework_ideal_ns] BIGINT '$[41]', [planned_idle_good_ideal_ns] BIGINT '$[42]', [planned_idle_reject_ideal_ns] BIGINT '$[43]', [planned_idle_rework_ideal_ns] BIGINT '$[44]', [planned_run_good_ideal_ns] BIGINT '$[45]', [planned_run_reject_ideal_ns] BIGINT '$[46]', [planned_run_rework_ideal_ns] BIGINT '$[47]', [shift_good_ideal_ns] BIGINT '$[48]', [shift_reject_ideal_ns] BIGINT '$[49]', [shift_rework_ideal_ns] BIGINT '$[50]', [off_idle_no_ideal] BIGINT '$[51]', [off_run_no_ideal] BIGINT '$[52]', [planned_idle_no_ideal] BIGINT '$[53]', [planned_run_no_ideal] BIGINT '$[54]', [shift_no_ideal] BIGINT '$[55]', [counter_rollover] BIGINT '$[56]', [counter_reset] BIGINT '$[57]', [counter_backstep] BIGINT '$[58]', [counter_anomaly] BIGINT '$[59]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
UPDATE t SET t.[start] = s.[start], t.[revision] = s.[revision], t.[known_from_ns] = s.[known_from_ns], t.[off_run_ns] = s.[off_run_ns], t.[off_unplanned_ns] = s.[off_unplanned_ns], t.[off_setup_ns] = s.[off_setup_ns], t.[off_planned_ns] = s.[off_planned_ns], t.[off_unknown_ns] = s.[off_unknown_ns], t.[planned_run_ns] = s.[planned_run_ns], t.[planned_unplanned_ns] = s.[planned_unplanned_ns], t.[planned_setup_ns] = s.[planned_setup_ns], t.[planned_planned_ns] = s.[planned_planned_ns], t.[planned_unknown_ns] = s.[planned_unknown_ns], t.[shift_run_ns] = s.[shift_run_ns], t.[shift_unplanned_ns] = s.[shift_unplanned_ns], t.[shift_setup_ns] = s.[shift_setup_ns], t.[shift_planned_ns] = s.[shift_planned_ns], t.[shift_unknown_ns] = s.[shift_unknown_ns], t.[off_idle_good] = s.[off_idle_good], t.[off_idle_reject] = s.[off_idle_reject], t.[off_idle_rework] = s.[off_idle_rework], t.[off_run_good] = s.[off_run_good], t.[off_run_reject] = s.[off_run_reject], t.[off_run_rework] = s.[off_run_rework], t.[planned_idle_good] = s.[planned_idle_good], t.[planned_idle_reject] = s.[planned_idle_reject], t.[planned_idle_rework] = s.[planned_idle_rework], t.[planned_run_good] = s.[planned_run_good], t.[planned_run_reject] = s.[planned_run_reject], t.[planned_run_rework] = s.[planned_run_rework], t.[shift_good] = s.[shift_good], t.[shift_reject] = s.[shift_reject], t.[shift_rework] = s.[shift_rework], t.[off_idle_good_ideal_ns] = s.[off_idle_good_ideal_ns], t.[off_idle_reject_ideal_ns] = s.[off_idle_reject_ideal_ns], t.[off_idle_rework_ideal_ns] = s.[off_idle_rework_ideal_ns], t.[off_run_good_ideal_ns] = s.[off_run_good_ideal_ns], t.[off_run_reject_ideal_ns] = s.[off_run_reject_ideal_ns], t.[off_run_rework_ideal_ns] = s.[off_run_rework_ideal_ns], t.[planned_idle_good_ideal_ns] = s.[planned_idle_good_ideal_ns], t.[planned_idle_reject_ideal_ns] = s.[planned_idle_reject_ideal_ns], t.[planned_idle_rework_ideal_ns] = s.[planned_idle_rework_ideal_ns], t.[planned_run_good_ideal_ns] = s.[planned_run_good_ideal_ns], t.[planned_run_reject_ideal_ns] = s.[planned_run_reject_ideal_ns], t.[planned_run_rework_ideal_ns] = s.[planned_run_rework_ideal_ns], t.[shift_good_ideal_ns] = s.[shift_good_ideal_ns], t.[shift_reject_ideal_ns] = s.[shift_reject_ideal_ns], t.[shift_rework_ideal_ns] = s.[shift_rework_ideal_ns], t.[off_idle_no_ideal] = s.[off_idle_no_ideal], t.[off_run_no_ideal] = s.[off_run_no_ideal], t.[planned_idle_no_ideal] = s.[planned_idle_no_ideal], t.[planned_run_no_ideal] = s.[planned_run_no_ideal], t.[shift_no_ideal] = s.[shift_no_ideal], t.[counter_rollover] = s.[counter_rollover], t.[counter_reset] = s.[counter_reset], t.[counter_backstep] = s.[counter_backstep], t.[counter_anomaly] = s.[counter_anomaly] FROM [plant].[oee_bucket] AS t JOIN #staging AS s ON s.[machine] = t.[machine] AND s.[start_ns] = t.[start_ns] AND s.[product] = t.[product];
INSERT INTO [plant].[oee_bucket] ([machine], [start_ns], [product], [start], [revision], [known_from_ns], [off_run_ns], [off_unplanned_ns], [off_setup_ns], [off_planned_ns], [off_unknown_ns], [planned_run_ns], [planned_unplanned_ns], [planned_setup_ns], [planned_planned_ns], [planned_unknown_ns], [shift_run_ns], [shift_unplanned_ns], [shift_setup_ns], [shift_planned_ns], [shift_unknown_ns], [off_idle_good], [off_idle_reject], [off_idle_rework], [off_run_good], [off_run_reject], [off_run_rework], [planned_idle_good], [planned_idle_reject], [planned_idle_rework], [planned_run_good], [planned_run_reject], [planned_run_rework], [shift_good], [shift_reject], [shift_rework], [off_idle_good_ideal_ns], [off_idle_reject_ideal_ns], [off_idle_rework_ideal_ns], [off_run_good_ideal_ns], [off_run_reject_ideal_ns], [off_run_rework_ideal_ns], [planned_idle_good_ideal_ns], [planned_idle_reject_ideal_ns], [planned_idle_rework_ideal_ns], [planned_run_good_ideal_ns], [planned_run_reject_ideal_ns], [planned_run_rework_ideal_ns], [shift_good_ideal_ns], [shift_reject_ideal_ns], [shift_rework_ideal_ns], [off_idle_no_ideal], [off_run_no_ideal], [planned_idle_no_ideal], [planned_run_no_ideal], [shift_no_ideal], [counter_rollover], [counter_reset], [counter_backstep], [counter_anomaly]) SELECT s.[machine], s.[start_ns], s.[product], s.[start], s.[revision], s.[known_from_ns], s.[off_run_ns], s.[off_unplanned_ns], s.[off_setup_ns], s.[off_planned_ns], s.[off_unknown_ns], s.[planned_run_ns], s.[planned_unplanned_ns], s.[planned_setup_ns], s.[planned_planned_ns], s.[planned_unknown_ns], s.[shift_run_ns], s.[shift_unplanned_ns], s.[shift_setup_ns], s.[shift_planned_ns], s.[shift_unknown_ns], s.[off_idle_good], s.[off_idle_reject], s.[off_idle_rework], s.[off_run_good], s.[off_run_reject], s.[off_run_rework], s.[planned_idle_good], s.[planned_idle_reject], s.[planned_idle_rework], s.[planned_run_good], s.[planned_run_reject], s.[planned_run_rework], s.[shift_good], s.[shift_reject], s.[shift_rework], s.[off_idle_good_ideal_ns], s.[off_idle_reject_ideal_ns], s.[off_idle_rework_ideal_ns], s.[off_run_good_ideal_ns], s.[off_run_reject_ideal_ns], s.[off_run_rework_ideal_ns], s.[planned_idle_good_ideal_ns], s.[planned_idle_reject_ideal_ns], s.[planned_idle_rework_ideal_ns], s.[planned_run_good_ideal_ns], s.[planned_run_reject_ideal_ns], s.[planned_run_rework_ideal_ns], s.[shift_good_ideal_ns], s.[shift_reject_ideal_ns], s.[shift_rework_ideal_ns], s.[off_idle_no_ideal], s.[off_run_no_ideal], s.[planned_idle_no_ideal], s.[planned_run_no_ideal], s.[shift_no_ideal], s.[counter_rollover], s.[counter_reset], s.[counter_backstep], s.[counter_anomaly] FROM #staging AS s WHERE NOT EXISTS (SELECT 1 FROM [plant].[oee_bucket] AS t WITH (UPDLOCK, HOLDLOCK) WHERE s.[machine] = t.[machine] AND s.[start_ns] = t.[start_ns] AND s.[product] = t.[product]);
DROP TABLE #staging;
SELECT @rows

-- oee_bucket: delete
SET NOCOUNT ON;
SELECT j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine], j.[start_ns] AS [start_ns], j.[product] COLLATE Latin1_General_100_BIN2 AS [product] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([machine] NVARCHAR(64) '$[0]', [start_ns] BIGINT '$[1]', [product] NVARCHAR(64) '$[2]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
DELETE t FROM [plant].[oee_bucket] AS t JOIN #staging AS s ON s.[machine] = t.[machine] AND s.[start_ns] = t.[start_ns] AND s.[product] = t.[product];
DROP TABLE #staging;
SELECT @rows

-- oee_history: upsert
SET NOCOUNT ON;
SELECT j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine], j.[start_ns] AS [start_ns], j.[product] COLLATE Latin1_General_100_BIN2 AS [product], j.[revision] AS [revision], j.[start] AS [start], j.[known_from_ns] AS [known_from_ns], j.[known_to_ns] AS [known_to_ns], j.[cause] AS [cause], j.[cause_type] COLLATE Latin1_General_100_BIN2 AS [cause_type], j.[cause_events] AS [cause_events], j.[by] AS [by], j.[reason] AS [reason], j.[off_run_ns] AS [off_run_ns], j.[off_unplanned_ns] AS [off_unplanned_ns], j.[off_setup_ns] AS [off_setup_ns], j.[off_planned_ns] AS [off_planned_ns], j.[off_unknown_ns] AS [off_unknown_ns], j.[planned_run_ns] AS [planned_run_ns], j.[planned_unplanned_ns] AS [planned_unplanned_ns], j.[planned_setup_ns] AS [planned_setup_ns], j.[planned_planned_ns] AS [planned_planned_ns], j.[planned_unknown_ns] AS [planned_unknown_ns], j.[shift_run_ns] AS [shift_run_ns], j.[shift_unplanned_ns] AS [shift_unplanned_ns], j.[shift_setup_ns] AS [shift_setup_ns], j.[shift_planned_ns] AS [shift_planned_ns], j.[shift_unknown_ns] AS [shift_unknown_ns], j.[off_idle_good] AS [off_idle_good], j.[off_idle_reject] AS [off_idle_reject], j.[off_idle_rework] AS [off_idle_rework], j.[off_run_good] AS [off_run_good], j.[off_run_reject] AS [off_run_reject], j.[off_run_rework] AS [off_run_rework], j.[planned_idle_good] AS [planned_idle_good], j.[planned_idle_reject] AS [planned_idle_reject], j.[planned_idle_rework] AS [planned_idle_rework], j.[planned_run_good] AS [planned_run_good], j.[planned_run_reject] AS [planned_run_reject], j.[planned_run_rework] AS [planned_run_rework], j.[shift_good] AS [shift_good], j.[shift_reject] AS [shift_reject], j.[shift_rework] AS [shift_rework], j.[off_idle_good_ideal_ns] AS [off_idle_good_ideal_ns], j.[off_idle_reject_ideal_ns] AS [off_idle_reject_ideal_ns], j.[off_idle_rework_ideal_ns] AS [off_idle_rework_ideal_ns], j.[off_run_good_ideal_ns] AS [off_run_good_ideal_ns], j.[off_run_reject_ideal_ns] AS [off_run_reject_ideal_ns], j.[off_run_rework_ideal_ns] AS [off_run_rework_ideal_ns], j.[planned_idle_good_ideal_ns] AS [planned_idle_good_ideal_ns], j.[planned_idle_reject_ideal_ns] AS [planned_idle_reject_ideal_ns], j.[planned_idle_rework_ideal_ns] AS [planned_idle_rework_ideal_ns], j.[planned_run_good_ideal_ns] AS [planned_run_good_ideal_ns], j.[planned_run_reject_ideal_ns] AS [planned_run_reject_ideal_ns], j.[planned_run_rework_ideal_ns] AS [planned_run_rework_ideal_ns], j.[shift_good_ideal_ns] AS [shift_good_ideal_ns], j.[shift_reject_ideal_ns] AS [shift_reject_ideal_ns], j.[shift_rework_ideal_ns] AS [shift_rework_ideal_ns], j.[off_idle_no_ideal] AS [off_idle_no_ideal], j.[off_run_no_ideal] AS [off_run_no_ideal], j.[planned_idle_no_ideal] AS [planned_idle_no_ideal], j.[planned_run_no_ideal] AS [planned_run_no_ideal], j.[shift_no_ideal] AS [shift_no_ideal], j.[counter_rollover] AS [counter_rollover], j.[counter_reset] AS [counter_reset], j.[counter_backstep] AS [counter_backstep], j.[counter_anomaly] AS [counter_anomaly] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([machine] NVARCHAR(64) '$[0]', [start_ns] BIGINT '$[1]', [product] NVARCHAR(64) '$[2]', [revision] BIGINT '$[3]', [start] DATETIME2(6) '$[4]', [known_from_ns] BIGINT '$[5]', [known_to_ns] BIGINT '$[6]', [cause] NVARCHAR(max) '$[7]', [cause_type] NVARCHAR(64) '$[8]', [cause_events] BIGINT '$[9]', [by] NVARCHAR(max) '$[10]', [reason] NVARCHAR(max) '$[11]', [off_run_ns] BIGINT '$[12]', [off_unplanned_ns] BIGINT '$[13]', [off_setup_ns] BIGINT '$[14]', [off_planned_ns] BIGINT '$[15]', [off_unknown_ns] BIGINT '$[16]', [planned_run_ns] BIGINT '$[17]', [planned_unplanned_ns] BIGINT '$[18]', [planned_setup_ns] BIGINT '$[19]', [planned_planned_ns] BIGINT '$[20]', [planned_unknown_ns] BIGINT '$[21]', [shift_run_ns] BIGINT '$[22]', [shift_unplanned_ns] BIGINT '$[23]', [shift_setup_ns] BIGINT '$[24]', [shift_planned_ns] BIGINT '$[25]', [shift_unknown_ns] BIGINT '$[26]', [off_idle_good] BIGINT '$[27]', [off_idle_reject] BIGINT '$[28]', [off_idle_rework] BIGINT '$[29]', [off_run_good] BIGINT '$[30]', [off_run_reject] BIGINT '$[31]', [off_run_rework] BIGINT '$[32]', [planned_idle_good] BIGINT '$[33]', [planned_idle_reject] BIGINT '$[34]', [planned_idle_rework] BIGINT '$[35]', [planned_run_good] BIGINT '$[36]', [planned_run_reject] BIGINT '$[37]', [planned_run_rework] BIGINT '$[38]', [shift_good] BIGINT '$[39]', [shift_reject] BIGINT '$[40]', [shift_rework] BIGINT '$[41]', [off_idle_good_ideal_ns] BIGINT '$[42]', [off_idle_reject_ideal_ns] BIGINT '$[43]', [off_idle_rework_ideal_ns] BIGINT '$[44]', [off_run_good_ideal_ns] BIGINT '$[45]', [off_run_reject_ideal_ns] BIGINT '$[46]', [off_run_rework_ideal_ns] BIGINT '$[47]', [planned_idle_good_ideal_ns] BIGINT '$[48]', [planned_idle_reject_ideal_ns] BIGINT '$[49]', [planned_idle_rework_ideal_ns] BIGINT '$[50]', [planned_run_good_ideal_ns] BIGINT '$[51]', [planned_run_reject_ideal_ns] BIGINT '$[52]', [planned_run_rework_ideal_ns] BIGINT '$[53]', [shift_good_ideal_ns] BIGINT '$[54]', [shift_reject_ideal_ns] BIGINT '$[55]', [shift_rework_ideal_ns] BIGINT '$[56]', [off_idle_no_ideal] BIGINT '$[57]', [off_run_no_ideal] BIGINT '$[58]', [planned_idle_no_ideal] BIGINT '$[59]', [planned_run_no_ideal] BIGINT '$[60]', [shift_no_ideal] BIGINT '$[61]', [counter_rollover] BIGINT '$[62]', [counter_reset] BIGINT '$[63]', [counter_backstep] BIGINT '$[64]', [counter_anomaly] BIGINT '$[65]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
UPDATE t SET t.[start] = s.[start], t.[known_from_ns] = s.[known_from_ns], t.[known_to_ns] = s.[known_to_ns], t.[cause] = s.[cause], t.[cause_type] = s.[cause_type], t.[cause_events] = s.[cause_events], t.[by] = s.[by], t.[reason] = s.[reason], t.[off_run_ns] = s.[off_run_ns], t.[off_unplanned_ns] = s.[off_unplanned_ns], t.[off_setup_ns] = s.[off_setup_ns], t.[off_planned_ns] = s.[off_planned_ns], t.[off_unknown_ns] = s.[off_unknown_ns], t.[planned_run_ns] = s.[planned_run_ns], t.[planned_unplanned_ns] = s.[planned_unplanned_ns], t.[planned_setup_ns] = s.[planned_setup_ns], t.[planned_planned_ns] = s.[planned_planned_ns], t.[planned_unknown_ns] = s.[planned_unknown_ns], t.[shift_run_ns] = s.[shift_run_ns], t.[shift_unplanned_ns] = s.[shift_unplanned_ns], t.[shift_setup_ns] = s.[shift_setup_ns], t.[shift_planned_ns] = s.[shift_planned_ns], t.[shift_unknown_ns] = s.[shift_unknown_ns], t.[off_idle_good] = s.[off_idle_good], t.[off_idle_reject] = s.[off_idle_reject], t.[off_idle_rework] = s.[off_idle_rework], t.[off_run_good] = s.[off_run_good], t.[off_run_reject] = s.[off_run_reject], t.[off_run_rework] = s.[off_run_rework], t.[planned_idle_good] = s.[planned_idle_good], t.[planned_idle_reject] = s.[planned_idle_reject], t.[planned_idle_rework] = s.[planned_idle_rework], t.[planned_run_good] = s.[planned_run_good], t.[planned_run_reject] = s.[planned_run_reject], t.[planned_run_rework] = s.[planned_run_rework], t.[shift_good] = s.[shift_good], t.[shift_reject] = s.[shift_reject], t.[shift_rework] = s.[shift_rework], t.[off_idle_good_ideal_ns] = s.[off_idle_good_ideal_ns], t.[off_idle_reject_ideal_ns] = s.[off_idle_reject_ideal_ns], t.[off_idle_rework_ideal_ns] = s.[off_idle_rework_ideal_ns], t.[off_run_good_ideal_ns] = s.[off_run_good_ideal_ns], t.[off_run_reject_ideal_ns] = s.[off_run_reject_ideal_ns], t.[off_run_rework_ideal_ns] = s.[off_run_rework_ideal_ns], t.[planned_idle_good_ideal_ns] = s.[planned_idle_good_ideal_ns], t.[planned_idle_reject_ideal_ns] = s.[planned_idle_reject_ideal_ns], t.[planned_idle_rework_ideal_ns] = s.[planned_idle_rework_ideal_ns], t.[planned_run_good_ideal_ns] = s.[planned_run_good_ideal_ns], t.[planned_run_reject_ideal_ns] = s.[planned_run_reject_ideal_ns], t.[planned_run_rework_ideal_ns] = s.[planned_run_rework_ideal_ns], t.[shift_good_ideal_ns] = s.[shift_good_ideal_ns], t.[shift_reject_ideal_ns] = s.[shift_reject_ideal_ns], t.[shift_rework_ideal_ns] = s.[shift_rework_ideal_ns], t.[off_idle_no_ideal] = s.[off_idle_no_ideal], t.[off_run_no_ideal] = s.[off_run_no_ideal], t.[planned_idle_no_ideal] = s.[planned_idle_no_ideal], t.[planned_run_no_ideal] = s.[planned_run_no_ideal], t.[shift_no_ideal] = s.[shift_no_ideal], t.[counter_rollover] = s.[counter_rollover], t.[counter_reset] = s.[counter_reset], t.[counter_backstep] = s.[counter_backstep], t.[counter_anomaly] = s.[counter_anomaly] FROM [plant].[oee_history] AS t JOIN #staging AS s ON s.[machine] = t.[machine] AND s.[start_ns] = t.[start_ns] AND s.[product] = t.[product] AND s.[revision] = t.[revision];
INSERT INTO [plant].[oee_history] ([machine], [start_ns], [product], [revision], [start], [known_from_ns], [known_to_ns], [cause], [cause_type], [cause_events], [by], [reason], [off_run_ns], [off_unplanned_ns], [off_setup_ns], [off_planned_ns], [off_unknown_ns], [planned_run_ns], [planned_unplanned_ns], [planned_setup_ns], [planned_planned_ns], [planned_unknown_ns], [shift_run_ns], [shift_unplanned_ns], [shift_setup_ns], [shift_planned_ns], [shift_unknown_ns], [off_idle_good], [off_idle_reject], [off_idle_rework], [off_run_good], [off_run_reject], [off_run_rework], [planned_idle_good], [planned_idle_reject], [planned_idle_rework], [planned_run_good], [planned_run_reject], [planned_run_rework], [shift_good], [shift_reject], [shift_rework], [off_idle_good_ideal_ns], [off_idle_reject_ideal_ns], [off_idle_rework_ideal_ns], [off_run_good_ideal_ns], [off_run_reject_ideal_ns], [off_run_rework_ideal_ns], [planned_idle_good_ideal_ns], [planned_idle_reject_ideal_ns], [planned_idle_rework_ideal_ns], [planned_run_good_ideal_ns], [planned_run_reject_ideal_ns], [planned_run_rework_ideal_ns], [shift_good_ideal_ns], [shift_reject_ideal_ns], [shift_rework_ideal_ns], [off_idle_no_ideal], [off_run_no_ideal], [planned_idle_no_ideal], [planned_run_no_ideal], [shift_no_ideal], [counter_rollover], [counter_reset], [counter_backstep], [counter_anomaly]) SELECT s.[machine], s.[start_ns], s.[product], s.[revision], s.[start], s.[known_from_ns], s.[known_to_ns], s.[cause], s.[cause_type], s.[cause_events], s.[by], s.[reason], s.[off_run_ns], s.[off_unplanned_ns], s.[off_setup_ns], s.[off_planned_ns], s.[off_unknown_ns], s.[planned_run_ns], s.[planned_unplanned_ns], s.[planned_setup_ns], s.[planned_planned_ns], s.[planned_unknown_ns], s.[shift_run_ns], s.[shift_unplanned_ns], s.[shift_setup_ns], s.[shift_planned_ns], s.[shift_unknown_ns], s.[off_idle_good], s.[off_idle_reject], s.[off_idle_rework], s.[off_run_good], s.[off_run_reject], s.[off_run_rework], s.[planned_idle_good], s.[planned_idle_reject], s.[planned_idle_rework], s.[planned_run_good], s.[planned_run_reject], s.[planned_run_rework], s.[shift_good], s.[shift_reject], s.[shift_rework], s.[off_idle_good_ideal_ns], s.[off_idle_reject_ideal_ns], s.[off_idle_rework_ideal_ns], s.[off_run_good_ideal_ns], s.[off_run_reject_ideal_ns], s.[off_run_rework_ideal_ns], s.[planned_idle_good_ideal_ns], s.[planned_idle_reject_ideal_ns], s.[planned_idle_rework_ideal_ns], s.[planned_run_good_ideal_ns], s.[planned_run_reject_ideal_ns], s.[planned_run_rework_ideal_ns], s.[shift_good_ideal_ns], s.[shift_reject_ideal_ns], s.[shift_rework_ideal_ns], s.[off_idle_no_ideal], s.[off_run_no_ideal], s.[planned_idle_no_ideal], s.[planned_run_no_ideal], s.[shift_no_ideal], s.[counter_rollover], s.[counter_reset], s.[counter_backstep], s.[counter_anomaly] FROM #staging AS s WHERE NOT EXISTS (SELECT 1 FROM [plant].[oee_history] AS t WITH (UPDLOCK, HOLDLOCK) WHERE s.[machine] = t.[machine] AND s.[start_ns] = t.[start_ns] AND s.[product] = t.[product] AND s.[revision] = t.[revision]);
DROP TABLE #staging;
SELECT @rows

-- oee_history: delete
SET NOCOUNT ON;
SELECT j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine], j.[start_ns] AS [start_ns], j.[product] COLLATE Latin1_General_100_BIN2 AS [product], j.[revision] AS [revision] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([machine] NVARCHAR(64) '$[0]', [start_ns] BIGINT '$[1]', [product] NVARCHAR(64) '$[2]', [revision] BIGINT '$[3]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
DELETE t FROM [plant].[oee_history] AS t JOIN #staging AS s ON s.[machine] = t.[machine] AND s.[start_ns] = t.[start_ns] AND s.[product] = t.[product] AND s.[revision] = t.[revision];
DROP TABLE #staging;
SELECT @rows

-- oee_history: keep
SET NOCOUNT ON;
SELECT j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine], j.[start_ns] AS [start_ns], j.[product] COLLATE Latin1_General_100_BIN2 AS [product], j.[until] AS [until], j.[known_to_ns] AS [known_to_ns], j.[cause] AS [cause], j.[cause_type] COLLATE Latin1_General_100_BIN2 AS [cause_type], j.[cause_events] AS [cause_events], j.[by] AS [by], j.[reason] AS [reason] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([machine] NVARCHAR(64) '$[0]', [start_ns] BIGINT '$[1]', [product] NVARCHAR(64) '$[2]', [until] BIGINT '$[3]', [known_to_ns] BIGINT '$[4]', [cause] NVARCHAR(max) '$[5]', [cause_type] NVARCHAR(64) '$[6]', [cause_events] BIGINT '$[7]', [by] NVARCHAR(max) '$[8]', [reason] NVARCHAR(max) '$[9]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
DELETE t FROM [plant].[oee_history] AS t JOIN ([plant].[oee_bucket] AS b JOIN #staging AS s ON s.[machine] = b.[machine] AND s.[start_ns] = b.[start_ns] AND s.[product] = b.[product]) ON t.[machine] = b.[machine] AND t.[start_ns] = b.[start_ns] AND t.[product] = b.[product] AND t.[revision] = b.[revision] WHERE b.[revision] < s.[until];
INSERT INTO [plant].[oee_history] ([machine], [start_ns], [product], [revision], [start], [known_from_ns], [known_to_ns], [cause], [cause_type], [cause_events], [by], [reason], [off_run_ns], [off_unplanned_ns], [off_setup_ns], [off_planned_ns], [off_unknown_ns], [planned_run_ns], [planned_unplanned_ns], [planned_setup_ns], [planned_planned_ns], [planned_unknown_ns], [shift_run_ns], [shift_unplanned_ns], [shift_setup_ns], [shift_planned_ns], [shift_unknown_ns], [off_idle_good], [off_idle_reject], [off_idle_rework], [off_run_good], [off_run_reject], [off_run_rework], [planned_idle_good], [planned_idle_reject], [planned_idle_rework], [planned_run_good], [planned_run_reject], [planned_run_rework], [shift_good], [shift_reject], [shift_rework], [off_idle_good_ideal_ns], [off_idle_reject_ideal_ns], [off_idle_rework_ideal_ns], [off_run_good_ideal_ns], [off_run_reject_ideal_ns], [off_run_rework_ideal_ns], [planned_idle_good_ideal_ns], [planned_idle_reject_ideal_ns], [planned_idle_rework_ideal_ns], [planned_run_good_ideal_ns], [planned_run_reject_ideal_ns], [planned_run_rework_ideal_ns], [shift_good_ideal_ns], [shift_reject_ideal_ns], [shift_rework_ideal_ns], [off_idle_no_ideal], [off_run_no_ideal], [planned_idle_no_ideal], [planned_run_no_ideal], [shift_no_ideal], [counter_rollover], [counter_reset], [counter_backstep], [counter_anomaly]) SELECT b.[machine], b.[start_ns], b.[product], b.[revision], b.[start], b.[known_from_ns], s.[known_to_ns], s.[cause], s.[cause_type], s.[cause_events], s.[by], s.[reason], b.[off_run_ns], b.[off_unplanned_ns], b.[off_setup_ns], b.[off_planned_ns], b.[off_unknown_ns], b.[planned_run_ns], b.[planned_unplanned_ns], b.[planned_setup_ns], b.[planned_planned_ns], b.[planned_unknown_ns], b.[shift_run_ns], b.[shift_unplanned_ns], b.[shift_setup_ns], b.[shift_planned_ns], b.[shift_unknown_ns], b.[off_idle_good], b.[off_idle_reject], b.[off_idle_rework], b.[off_run_good], b.[off_run_reject], b.[off_run_rework], b.[planned_idle_good], b.[planned_idle_reject], b.[planned_idle_rework], b.[planned_run_good], b.[planned_run_reject], b.[planned_run_rework], b.[shift_good], b.[shift_reject], b.[shift_rework], b.[off_idle_good_ideal_ns], b.[off_idle_reject_ideal_ns], b.[off_idle_rework_ideal_ns], b.[off_run_good_ideal_ns], b.[off_run_reject_ideal_ns], b.[off_run_rework_ideal_ns], b.[planned_idle_good_ideal_ns], b.[planned_idle_reject_ideal_ns], b.[planned_idle_rework_ideal_ns], b.[planned_run_good_ideal_ns], b.[planned_run_reject_ideal_ns], b.[planned_run_rework_ideal_ns], b.[shift_good_ideal_ns], b.[shift_reject_ideal_ns], b.[shift_rework_ideal_ns], b.[off_idle_no_ideal], b.[off_run_no_ideal], b.[planned_idle_no_ideal], b.[planned_run_no_ideal], b.[shift_no_ideal], b.[counter_rollover], b.[counter_reset], b.[counter_backstep], b.[counter_anomaly] FROM [plant].[oee_bucket] AS b JOIN #staging AS s ON s.[machine] = b.[machine] AND s.[start_ns] = b.[start_ns] AND s.[product] = b.[product] WHERE b.[revision] < s.[until];
DROP TABLE #staging;
SELECT @rows

-- oee_hour: upsert
SET NOCOUNT ON;
SELECT j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine], j.[start_ns] AS [start_ns], j.[product] COLLATE Latin1_General_100_BIN2 AS [product], j.[start] AS [start], j.[minutes] AS [minutes], j.[revision] AS [revision], j.[known_from_ns] AS [known_from_ns], j.[off_run_ns] AS [off_run_ns], j.[off_unplanned_ns] AS [off_unplanned_ns], j.[off_setup_ns] AS [off_setup_ns], j.[off_planned_ns] AS [off_planned_ns], j.[off_unknown_ns] AS [off_unknown_ns], j.[planned_run_ns] AS [planned_run_ns], j.[planned_unplanned_ns] AS [planned_unplanned_ns], j.[planned_setup_ns] AS [planned_setup_ns], j.[planned_planned_ns] AS [planned_planned_ns], j.[planned_unknown_ns] AS [planned_unknown_ns], j.[shift_run_ns] AS [shift_run_ns], j.[shift_unplanned_ns] AS [shift_unplanned_ns], j.[shift_setup_ns] AS [shift_setup_ns], j.[shift_planned_ns] AS [shift_planned_ns], j.[shift_unknown_ns] AS [shift_unknown_ns], j.[off_idle_good] AS [off_idle_good], j.[off_idle_reject] AS [off_idle_reject], j.[off_idle_rework] AS [off_idle_rework], j.[off_run_good] AS [off_run_good], j.[off_run_reject] AS [off_run_reject], j.[off_run_rework] AS [off_run_rework], j.[planned_idle_good] AS [planned_idle_good], j.[planned_idle_reject] AS [planned_idle_reject], j.[planned_idle_rework] AS [planned_idle_rework], j.[planned_run_good] AS [planned_run_good], j.[planned_run_reject] AS [planned_run_reject], j.[planned_run_rework] AS [planned_run_rework], j.[shift_good] AS [shift_good], j.[shift_reject] AS [shift_reject], j.[shift_rework] AS [shift_rework], j.[off_idle_good_ideal_ns] AS [off_idle_good_ideal_ns], j.[off_idle_reject_ideal_ns] AS [off_idle_reject_ideal_ns], j.[off_idle_rework_ideal_ns] AS [off_idle_rework_ideal_ns], j.[off_run_good_ideal_ns] AS [off_run_good_ideal_ns], j.[off_run_reject_ideal_ns] AS [off_run_reject_ideal_ns], j.[off_run_rework_ideal_ns] AS [off_run_rework_ideal_ns], j.[planned_idle_good_ideal_ns] AS [planned_idle_good_ideal_ns], j.[planned_idle_reject_ideal_ns] AS [planned_idle_reject_ideal_ns], j.[planned_idle_rework_ideal_ns] AS [planned_idle_rework_ideal_ns], j.[planned_run_good_ideal_ns] AS [planned_run_good_ideal_ns], j.[planned_run_reject_ideal_ns] AS [planned_run_reject_ideal_ns], j.[planned_run_rework_ideal_ns] AS [planned_run_rework_ideal_ns], j.[shift_good_ideal_ns] AS [shift_good_ideal_ns], j.[shift_reject_ideal_ns] AS [shift_reject_ideal_ns], j.[shift_rework_ideal_ns] AS [shift_rework_ideal_ns], j.[off_idle_no_ideal] AS [off_idle_no_ideal], j.[off_run_no_ideal] AS [off_run_no_ideal], j.[planned_idle_no_ideal] AS [planned_idle_no_ideal], j.[planned_run_no_ideal] AS [planned_run_no_ideal], j.[shift_no_ideal] AS [shift_no_ideal], j.[counter_rollover] AS [counter_rollover], j.[counter_reset] AS [counter_reset], j.[counter_backstep] AS [counter_backstep], j.[counter_anomaly] AS [counter_anomaly] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([machine] NVARCHAR(64) '$[0]', [start_ns] BIGINT '$[1]', [product] NVARCHAR(64) '$[2]', [start] DATETIME2(6) '$[3]', [minutes] BIGINT '$[4]', [revision] BIGINT '$[5]', [known_from_ns] BIGINT '$[6]', [off_run_ns] BIGINT '$[7]', [off_unplanned_ns] BIGINT '$[8]', [off_setup_ns] BIGINT '$[9]', [off_planned_ns] BIGINT '$[10]', [off_unknown_ns] BIGINT '$[11]', [planned_run_ns] BIGINT '$[12]', [planned_unplanned_ns] BIGINT '$[13]', [planned_setup_ns] BIGINT '$[14]', [planned_planned_ns] BIGINT '$[15]', [planned_unknown_ns] BIGINT '$[16]', [shift_run_ns] BIGINT '$[17]', [shift_unplanned_ns] BIGINT '$[18]', [shift_setup_ns] BIGINT '$[19]', [shift_planned_ns] BIGINT '$[20]', [shift_unknown_ns] BIGINT '$[21]', [off_idle_good] BIGINT '$[22]', [off_idle_reject] BIGINT '$[23]', [off_idle_rework] BIGINT '$[24]', [off_run_good] BIGINT '$[25]', [off_run_reject] BIGINT '$[26]', [off_run_rework] BIGINT '$[27]', [planned_idle_good] BIGINT '$[28]', [planned_idle_reject] BIGINT '$[29]', [planned_idle_rework] BIGINT '$[30]', [planned_run_good] BIGINT '$[31]', [planned_run_reject] BIGINT '$[32]', [planned_run_rework] BIGINT '$[33]', [shift_good] BIGINT '$[34]', [shift_reject] BIGINT '$[35]', [shift_rework] BIGINT '$[36]', [off_idle_good_ideal_ns] BIGINT '$[37]', [off_idle_reject_ideal_ns] BIGINT '$[38]', [off_idle_rework_ideal_ns] BIGINT '$[39]', [off_run_good_ideal_ns] BIGINT '$[40]', [off_run_reject_ideal_ns] BIGINT '$[41]', [off_run_rework_ideal_ns] BIGINT '$[42]', [planned_idle_good_ideal_ns] BIGINT '$[43]', [planned_idle_reject_ideal_ns] BIGINT '$[44]', [planned_idle_rework_ideal_ns] BIGINT '$[45]', [planned_run_good_ideal_ns] BIGINT '$[46]', [planned_run_reject_ideal_ns] BIGINT '$[47]', [planned_run_rework_ideal_ns] BIGINT '$[48]', [shift_good_ideal_ns] BIGINT '$[49]', [shift_reject_ideal_ns] BIGINT '$[50]', [shift_rework_ideal_ns] BIGINT '$[51]', [off_idle_no_ideal] BIGINT '$[52]', [off_run_no_ideal] BIGINT '$[53]', [planned_idle_no_ideal] BIGINT '$[54]', [planned_run_no_ideal] BIGINT '$[55]', [shift_no_ideal] BIGINT '$[56]', [counter_rollover] BIGINT '$[57]', [counter_reset] BIGINT '$[58]', [counter_backstep] BIGINT '$[59]', [counter_anomaly] BIGINT '$[60]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
UPDATE t SET t.[start] = s.[start], t.[minutes] = s.[minutes], t.[revision] = s.[revision], t.[known_from_ns] = s.[known_from_ns], t.[off_run_ns] = s.[off_run_ns], t.[off_unplanned_ns] = s.[off_unplanned_ns], t.[off_setup_ns] = s.[off_setup_ns], t.[off_planned_ns] = s.[off_planned_ns], t.[off_unknown_ns] = s.[off_unknown_ns], t.[planned_run_ns] = s.[planned_run_ns], t.[planned_unplanned_ns] = s.[planned_unplanned_ns], t.[planned_setup_ns] = s.[planned_setup_ns], t.[planned_planned_ns] = s.[planned_planned_ns], t.[planned_unknown_ns] = s.[planned_unknown_ns], t.[shift_run_ns] = s.[shift_run_ns], t.[shift_unplanned_ns] = s.[shift_unplanned_ns], t.[shift_setup_ns] = s.[shift_setup_ns], t.[shift_planned_ns] = s.[shift_planned_ns], t.[shift_unknown_ns] = s.[shift_unknown_ns], t.[off_idle_good] = s.[off_idle_good], t.[off_idle_reject] = s.[off_idle_reject], t.[off_idle_rework] = s.[off_idle_rework], t.[off_run_good] = s.[off_run_good], t.[off_run_reject] = s.[off_run_reject], t.[off_run_rework] = s.[off_run_rework], t.[planned_idle_good] = s.[planned_idle_good], t.[planned_idle_reject] = s.[planned_idle_reject], t.[planned_idle_rework] = s.[planned_idle_rework], t.[planned_run_good] = s.[planned_run_good], t.[planned_run_reject] = s.[planned_run_reject], t.[planned_run_rework] = s.[planned_run_rework], t.[shift_good] = s.[shift_good], t.[shift_reject] = s.[shift_reject], t.[shift_rework] = s.[shift_rework], t.[off_idle_good_ideal_ns] = s.[off_idle_good_ideal_ns], t.[off_idle_reject_ideal_ns] = s.[off_idle_reject_ideal_ns], t.[off_idle_rework_ideal_ns] = s.[off_idle_rework_ideal_ns], t.[off_run_good_ideal_ns] = s.[off_run_good_ideal_ns], t.[off_run_reject_ideal_ns] = s.[off_run_reject_ideal_ns], t.[off_run_rework_ideal_ns] = s.[off_run_rework_ideal_ns], t.[planned_idle_good_ideal_ns] = s.[planned_idle_good_ideal_ns], t.[planned_idle_reject_ideal_ns] = s.[planned_idle_reject_ideal_ns], t.[planned_idle_rework_ideal_ns] = s.[planned_idle_rework_ideal_ns], t.[planned_run_good_ideal_ns] = s.[planned_run_good_ideal_ns], t.[planned_run_reject_ideal_ns] = s.[planned_run_reject_ideal_ns], t.[planned_run_rework_ideal_ns] = s.[planned_run_rework_ideal_ns], t.[shift_good_ideal_ns] = s.[shift_good_ideal_ns], t.[shift_reject_ideal_ns] = s.[shift_reject_ideal_ns], t.[shift_rework_ideal_ns] = s.[shift_rework_ideal_ns], t.[off_idle_no_ideal] = s.[off_idle_no_ideal], t.[off_run_no_ideal] = s.[off_run_no_ideal], t.[planned_idle_no_ideal] = s.[planned_idle_no_ideal], t.[planned_run_no_ideal] = s.[planned_run_no_ideal], t.[shift_no_ideal] = s.[shift_no_ideal], t.[counter_rollover] = s.[counter_rollover], t.[counter_reset] = s.[counter_reset], t.[counter_backstep] = s.[counter_backstep], t.[counter_anomaly] = s.[counter_anomaly] FROM [plant].[oee_hour] AS t JOIN #staging AS s ON s.[machine] = t.[machine] AND s.[start_ns] = t.[start_ns] AND s.[product] = t.[product];
INSERT INTO [plant].[oee_hour] ([machine], [start_ns], [product], [start], [minutes], [revision], [known_from_ns], [off_run_ns], [off_unplanned_ns], [off_setup_ns], [off_planned_ns], [off_unknown_ns], [planned_run_ns], [planned_unplanned_ns], [planned_setup_ns], [planned_planned_ns], [planned_unknown_ns], [shift_run_ns], [shift_unplanned_ns], [shift_setup_ns], [shift_planned_ns], [shift_unknown_ns], [off_idle_good], [off_idle_reject], [off_idle_rework], [off_run_good], [off_run_reject], [off_run_rework], [planned_idle_good], [planned_idle_reject], [planned_idle_rework], [planned_run_good], [planned_run_reject], [planned_run_rework], [shift_good], [shift_reject], [shift_rework], [off_idle_good_ideal_ns], [off_idle_reject_ideal_ns], [off_idle_rework_ideal_ns], [off_run_good_ideal_ns], [off_run_reject_ideal_ns], [off_run_rework_ideal_ns], [planned_idle_good_ideal_ns], [planned_idle_reject_ideal_ns], [planned_idle_rework_ideal_ns], [planned_run_good_ideal_ns], [planned_run_reject_ideal_ns], [planned_run_rework_ideal_ns], [shift_good_ideal_ns], [shift_reject_ideal_ns], [shift_rework_ideal_ns], [off_idle_no_ideal], [off_run_no_ideal], [planned_idle_no_ideal], [planned_run_no_ideal], [shift_no_ideal], [counter_rollover], [counter_reset], [counter_backstep], [counter_anomaly]) SELECT s.[machine], s.[start_ns], s.[product], s.[start], s.[minutes], s.[revision], s.[known_from_ns], s.[off_run_ns], s.[off_unplanned_ns], s.[off_setup_ns], s.[off_planned_ns], s.[off_unknown_ns], s.[planned_run_ns], s.[planned_unplanned_ns], s.[planned_setup_ns], s.[planned_planned_ns], s.[planned_unknown_ns], s.[shift_run_ns], s.[shift_unplanned_ns], s.[shift_setup_ns], s.[shift_planned_ns], s.[shift_unknown_ns], s.[off_idle_good], s.[off_idle_reject], s.[off_idle_rework], s.[off_run_good], s.[off_run_reject], s.[off_run_rework], s.[planned_idle_good], s.[planned_idle_reject], s.[planned_idle_rework], s.[planned_run_good], s.[planned_run_reject], s.[planned_run_rework], s.[shift_good], s.[shift_reject], s.[shift_rework], s.[off_idle_good_ideal_ns], s.[off_idle_reject_ideal_ns], s.[off_idle_rework_ideal_ns], s.[off_run_good_ideal_ns], s.[off_run_reject_ideal_ns], s.[off_run_rework_ideal_ns], s.[planned_idle_good_ideal_ns], s.[planned_idle_reject_ideal_ns], s.[planned_idle_rework_ideal_ns], s.[planned_run_good_ideal_ns], s.[planned_run_reject_ideal_ns], s.[planned_run_rework_ideal_ns], s.[shift_good_ideal_ns], s.[shift_reject_ideal_ns], s.[shift_rework_ideal_ns], s.[off_idle_no_ideal], s.[off_run_no_ideal], s.[planned_idle_no_ideal], s.[planned_run_no_ideal], s.[shift_no_ideal], s.[counter_rollover], s.[counter_reset], s.[counter_backstep], s.[counter_anomaly] FROM #staging AS s WHERE NOT EXISTS (SELECT 1 FROM [plant].[oee_hour] AS t WITH (UPDLOCK, HOLDLOCK) WHERE s.[machine] = t.[machine] AND s.[start_ns] = t.[start_ns] AND s.[product] = t.[product]);
DROP TABLE #staging;
SELECT @rows

-- oee_hour: delete
SET NOCOUNT ON;
SELECT j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine], j.[start_ns] AS [start_ns], j.[product] COLLATE Latin1_General_100_BIN2 AS [product] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([machine] NVARCHAR(64) '$[0]', [start_ns] BIGINT '$[1]', [product] NVARCHAR(64) '$[2]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
DELETE t FROM [plant].[oee_hour] AS t JOIN #staging AS s ON s.[machine] = t.[machine] AND s.[start_ns] = t.[start_ns] AND s.[product] = t.[product];
DROP TABLE #staging;
SELECT @rows

-- oee_shift: upsert
SET NOCOUNT ON;
SELECT j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine], j.[start_ns] AS [start_ns], j.[name] COLLATE Latin1_General_100_BIN2 AS [name], j.[product] COLLATE Latin1_General_100_BIN2 AS [product], j.[end_ns] AS [end_ns], j.[start] AS [start], j.[end] AS [end], j.[minutes] AS [minutes], j.[revision] AS [revision], j.[known_from_ns] AS [known_from_ns], j.[off_run_ns] AS [off_run_ns], j.[off_unplanned_ns] AS [off_unplanned_ns], j.[off_setup_ns] AS [off_setup_ns], j.[off_planned_ns] AS [off_planned_ns], j.[off_unknown_ns] AS [off_unknown_ns], j.[planned_run_ns] AS [planned_run_ns], j.[planned_unplanned_ns] AS [planned_unplanned_ns], j.[planned_setup_ns] AS [planned_setup_ns], j.[planned_planned_ns] AS [planned_planned_ns], j.[planned_unknown_ns] AS [planned_unknown_ns], j.[shift_run_ns] AS [shift_run_ns], j.[shift_unplanned_ns] AS [shift_unplanned_ns], j.[shift_setup_ns] AS [shift_setup_ns], j.[shift_planned_ns] AS [shift_planned_ns], j.[shift_unknown_ns] AS [shift_unknown_ns], j.[off_idle_good] AS [off_idle_good], j.[off_idle_reject] AS [off_idle_reject], j.[off_idle_rework] AS [off_idle_rework], j.[off_run_good] AS [off_run_good], j.[off_run_reject] AS [off_run_reject], j.[off_run_rework] AS [off_run_rework], j.[planned_idle_good] AS [planned_idle_good], j.[planned_idle_reject] AS [planned_idle_reject], j.[planned_idle_rework] AS [planned_idle_rework], j.[planned_run_good] AS [planned_run_good], j.[planned_run_reject] AS [planned_run_reject], j.[planned_run_rework] AS [planned_run_rework], j.[shift_good] AS [shift_good], j.[shift_reject] AS [shift_reject], j.[shift_rework] AS [shift_rework], j.[off_idle_good_ideal_ns] AS [off_idle_good_ideal_ns], j.[off_idle_reject_ideal_ns] AS [off_idle_reject_ideal_ns], j.[off_idle_rework_ideal_ns] AS [off_idle_rework_ideal_ns], j.[off_run_good_ideal_ns] AS [off_run_good_ideal_ns], j.[off_run_reject_ideal_ns] AS [off_run_reject_ideal_ns], j.[off_run_rework_ideal_ns] AS [off_run_rework_ideal_ns], j.[planned_idle_good_ideal_ns] AS [planned_idle_good_ideal_ns], j.[planned_idle_reject_ideal_ns] AS [planned_idle_reject_ideal_ns], j.[planned_idle_rework_ideal_ns] AS [planned_idle_rework_ideal_ns], j.[planned_run_good_ideal_ns] AS [planned_run_good_ideal_ns], j.[planned_run_reject_ideal_ns] AS [planned_run_reject_ideal_ns], j.[planned_run_rework_ideal_ns] AS [planned_run_rework_ideal_ns], j.[shift_good_ideal_ns] AS [shift_good_ideal_ns], j.[shift_reject_ideal_ns] AS [shift_reject_ideal_ns], j.[shift_rework_ideal_ns] AS [shift_rework_ideal_ns], j.[off_idle_no_ideal] AS [off_idle_no_ideal], j.[off_run_no_ideal] AS [off_run_no_ideal], j.[planned_idle_no_ideal] AS [planned_idle_no_ideal], j.[planned_run_no_ideal] AS [planned_run_no_ideal], j.[shift_no_ideal] AS [shift_no_ideal], j.[counter_rollover] AS [counter_rollover], j.[counter_reset] AS [counter_reset], j.[counter_backstep] AS [counter_backstep], j.[counter_anomaly] AS [counter_anomaly] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([machine] NVARCHAR(64) '$[0]', [start_ns] BIGINT '$[1]', [name] NVARCHAR(64) '$[2]', [product] NVARCHAR(64) '$[3]', [end_ns] BIGINT '$[4]', [start] DATETIME2(6) '$[5]', [end] DATETIME2(6) '$[6]', [minutes] BIGINT '$[7]', [revision] BIGINT '$[8]', [known_from_ns] BIGINT '$[9]', [off_run_ns] BIGINT '$[10]', [off_unplanned_ns] BIGINT '$[11]', [off_setup_ns] BIGINT '$[12]', [off_planned_ns] BIGINT '$[13]', [off_unknown_ns] BIGINT '$[14]', [planned_run_ns] BIGINT '$[15]', [planned_unplanned_ns] BIGINT '$[16]', [planned_setup_ns] BIGINT '$[17]', [planned_planned_ns] BIGINT '$[18]', [planned_unknown_ns] BIGINT '$[19]', [shift_run_ns] BIGINT '$[20]', [shift_unplanned_ns] BIGINT '$[21]', [shift_setup_ns] BIGINT '$[22]', [shift_planned_ns] BIGINT '$[23]', [shift_unknown_ns] BIGINT '$[24]', [off_idle_good] BIGINT '$[25]', [off_idle_reject] BIGINT '$[26]', [off_idle_rework] BIGINT '$[27]', [off_run_good] BIGINT '$[28]', [off_run_reject] BIGINT '$[29]', [off_run_rework] BIGINT '$[30]', [planned_idle_good] BIGINT '$[31]', [planned_idle_reject] BIGINT '$[32]', [planned_idle_rework] BIGINT '$[33]', [planned_run_good] BIGINT '$[34]', [planned_run_reject] BIGINT '$[35]', [planned_run_rework] BIGINT '$[36]', [shift_good] BIGINT '$[37]', [shift_reject] BIGINT '$[38]', [shift_rework] BIGINT '$[39]', [off_idle_good_ideal_ns] BIGINT '$[40]', [off_idle_reject_ideal_ns] BIGINT '$[41]', [off_idle_rework_ideal_ns] BIGINT '$[42]', [off_run_good_ideal_ns] BIGINT '$[43]', [off_run_reject_ideal_ns] BIGINT '$[44]', [off_run_rework_ideal_ns] BIGINT '$[45]', [planned_idle_good_ideal_ns] BIGINT '$[46]', [planned_idle_reject_ideal_ns] BIGINT '$[47]', [planned_idle_rework_ideal_ns] BIGINT '$[48]', [planned_run_good_ideal_ns] BIGINT '$[49]', [planned_run_reject_ideal_ns] BIGINT '$[50]', [planned_run_rework_ideal_ns] BIGINT '$[51]', [shift_good_ideal_ns] BIGINT '$[52]', [shift_reject_ideal_ns] BIGINT '$[53]', [shift_rework_ideal_ns] BIGINT '$[54]', [off_idle_no_ideal] BIGINT '$[55]', [off_run_no_ideal] BIGINT '$[56]', [planned_idle_no_ideal] BIGINT '$[57]', [planned_run_no_ideal] BIGINT '$[58]', [shift_no_ideal] BIGINT '$[59]', [counter_rollover] BIGINT '$[60]', [counter_reset] BIGINT '$[61]', [counter_backstep] BIGINT '$[62]', [counter_anomaly] BIGINT '$[63]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
UPDATE t SET t.[end_ns] = s.[end_ns], t.[start] = s.[start], t.[end] = s.[end], t.[minutes] = s.[minutes], t.[revision] = s.[revision], t.[known_from_ns] = s.[known_from_ns], t.[off_run_ns] = s.[off_run_ns], t.[off_unplanned_ns] = s.[off_unplanned_ns], t.[off_setup_ns] = s.[off_setup_ns], t.[off_planned_ns] = s.[off_planned_ns], t.[off_unknown_ns] = s.[off_unknown_ns], t.[planned_run_ns] = s.[planned_run_ns], t.[planned_unplanned_ns] = s.[planned_unplanned_ns], t.[planned_setup_ns] = s.[planned_setup_ns], t.[planned_planned_ns] = s.[planned_planned_ns], t.[planned_unknown_ns] = s.[planned_unknown_ns], t.[shift_run_ns] = s.[shift_run_ns], t.[shift_unplanned_ns] = s.[shift_unplanned_ns], t.[shift_setup_ns] = s.[shift_setup_ns], t.[shift_planned_ns] = s.[shift_planned_ns], t.[shift_unknown_ns] = s.[shift_unknown_ns], t.[off_idle_good] = s.[off_idle_good], t.[off_idle_reject] = s.[off_idle_reject], t.[off_idle_rework] = s.[off_idle_rework], t.[off_run_good] = s.[off_run_good], t.[off_run_reject] = s.[off_run_reject], t.[off_run_rework] = s.[off_run_rework], t.[planned_idle_good] = s.[planned_idle_good], t.[planned_idle_reject] = s.[planned_idle_reject], t.[planned_idle_rework] = s.[planned_idle_rework], t.[planned_run_good] = s.[planned_run_good], t.[planned_run_reject] = s.[planned_run_reject], t.[planned_run_rework] = s.[planned_run_rework], t.[shift_good] = s.[shift_good], t.[shift_reject] = s.[shift_reject], t.[shift_rework] = s.[shift_rework], t.[off_idle_good_ideal_ns] = s.[off_idle_good_ideal_ns], t.[off_idle_reject_ideal_ns] = s.[off_idle_reject_ideal_ns], t.[off_idle_rework_ideal_ns] = s.[off_idle_rework_ideal_ns], t.[off_run_good_ideal_ns] = s.[off_run_good_ideal_ns], t.[off_run_reject_ideal_ns] = s.[off_run_reject_ideal_ns], t.[off_run_rework_ideal_ns] = s.[off_run_rework_ideal_ns], t.[planned_idle_good_ideal_ns] = s.[planned_idle_good_ideal_ns], t.[planned_idle_reject_ideal_ns] = s.[planned_idle_reject_ideal_ns], t.[planned_idle_rework_ideal_ns] = s.[planned_idle_rework_ideal_ns], t.[planned_run_good_ideal_ns] = s.[planned_run_good_ideal_ns], t.[planned_run_reject_ideal_ns] = s.[planned_run_reject_ideal_ns], t.[planned_run_rework_ideal_ns] = s.[planned_run_rework_ideal_ns], t.[shift_good_ideal_ns] = s.[shift_good_ideal_ns], t.[shift_reject_ideal_ns] = s.[shift_reject_ideal_ns], t.[shift_rework_ideal_ns] = s.[shift_rework_ideal_ns], t.[off_idle_no_ideal] = s.[off_idle_no_ideal], t.[off_run_no_ideal] = s.[off_run_no_ideal], t.[planned_idle_no_ideal] = s.[planned_idle_no_ideal], t.[planned_run_no_ideal] = s.[planned_run_no_ideal], t.[shift_no_ideal] = s.[shift_no_ideal], t.[counter_rollover] = s.[counter_rollover], t.[counter_reset] = s.[counter_reset], t.[counter_backstep] = s.[counter_backstep], t.[counter_anomaly] = s.[counter_anomaly] FROM [plant].[oee_shift] AS t JOIN #staging AS s ON s.[machine] = t.[machine] AND s.[start_ns] = t.[start_ns] AND s.[name] = t.[name] AND s.[product] = t.[product];
INSERT INTO [plant].[oee_shift] ([machine], [start_ns], [name], [product], [end_ns], [start], [end], [minutes], [revision], [known_from_ns], [off_run_ns], [off_unplanned_ns], [off_setup_ns], [off_planned_ns], [off_unknown_ns], [planned_run_ns], [planned_unplanned_ns], [planned_setup_ns], [planned_planned_ns], [planned_unknown_ns], [shift_run_ns], [shift_unplanned_ns], [shift_setup_ns], [shift_planned_ns], [shift_unknown_ns], [off_idle_good], [off_idle_reject], [off_idle_rework], [off_run_good], [off_run_reject], [off_run_rework], [planned_idle_good], [planned_idle_reject], [planned_idle_rework], [planned_run_good], [planned_run_reject], [planned_run_rework], [shift_good], [shift_reject], [shift_rework], [off_idle_good_ideal_ns], [off_idle_reject_ideal_ns], [off_idle_rework_ideal_ns], [off_run_good_ideal_ns], [off_run_reject_ideal_ns], [off_run_rework_ideal_ns], [planned_idle_good_ideal_ns], [planned_idle_reject_ideal_ns], [planned_idle_rework_ideal_ns], [planned_run_good_ideal_ns], [planned_run_reject_ideal_ns], [planned_run_rework_ideal_ns], [shift_good_ideal_ns], [shift_reject_ideal_ns], [shift_rework_ideal_ns], [off_idle_no_ideal], [off_run_no_ideal], [planned_idle_no_ideal], [planned_run_no_ideal], [shift_no_ideal], [counter_rollover], [counter_reset], [counter_backstep], [counter_anomaly]) SELECT s.[machine], s.[start_ns], s.[name], s.[product], s.[end_ns], s.[start], s.[end], s.[minutes], s.[revision], s.[known_from_ns], s.[off_run_ns], s.[off_unplanned_ns], s.[off_setup_ns], s.[off_planned_ns], s.[off_unknown_ns], s.[planned_run_ns], s.[planned_unplanned_ns], s.[planned_setup_ns], s.[planned_planned_ns], s.[planned_unknown_ns], s.[shift_run_ns], s.[shift_unplanned_ns], s.[shift_setup_ns], s.[shift_planned_ns], s.[shift_unknown_ns], s.[off_idle_good], s.[off_idle_reject], s.[off_idle_rework], s.[off_run_good], s.[off_run_reject], s.[off_run_rework], s.[planned_idle_good], s.[planned_idle_reject], s.[planned_idle_rework], s.[planned_run_good], s.[planned_run_reject], s.[planned_run_rework], s.[shift_good], s.[shift_reject], s.[shift_rework], s.[off_idle_good_ideal_ns], s.[off_idle_reject_ideal_ns], s.[off_idle_rework_ideal_ns], s.[off_run_good_ideal_ns], s.[off_run_reject_ideal_ns], s.[off_run_rework_ideal_ns], s.[planned_idle_good_ideal_ns], s.[planned_idle_reject_ideal_ns], s.[planned_idle_rework_ideal_ns], s.[planned_run_good_ideal_ns], s.[planned_run_reject_ideal_ns], s.[planned_run_rework_ideal_ns], s.[shift_good_ideal_ns], s.[shift_reject_ideal_ns], s.[shift_rework_ideal_ns], s.[off_idle_no_ideal], s.[off_run_no_ideal], s.[planned_idle_no_ideal], s.[planned_run_no_ideal], s.[shift_no_ideal], s.[counter_rollover], s.[counter_reset], s.[counter_backstep], s.[counter_anomaly] FROM #staging AS s WHERE NOT EXISTS (SELECT 1 FROM [plant].[oee_shift] AS t WITH (UPDLOCK, HOLDLOCK) WHERE s.[machine] = t.[machine] AND s.[start_ns] = t.[start_ns] AND s.[name] = t.[name] AND s.[product] = t.[product]);
DROP TABLE #staging;
SELECT @rows

-- oee_shift: delete
SET NOCOUNT ON;
SELECT j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine], j.[start_ns] AS [start_ns], j.[name] COLLATE Latin1_General_100_BIN2 AS [name], j.[product] COLLATE Latin1_General_100_BIN2 AS [product] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([machine] NVARCHAR(64) '$[0]', [start_ns] BIGINT '$[1]', [name] NVARCHAR(64) '$[2]', [product] NVARCHAR(64) '$[3]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
DELETE t FROM [plant].[oee_shift] AS t JOIN #staging AS s ON s.[machine] = t.[machine] AND s.[start_ns] = t.[start_ns] AND s.[name] = t.[name] AND s.[product] = t.[product];
DROP TABLE #staging;
SELECT @rows

-- parked: upsert
SET NOCOUNT ON;
SELECT j.[topology] COLLATE Latin1_General_100_BIN2 AS [topology], j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine], j.[id] AS [id], j.[position] AS [position], j.[type] AS [type], j.[reason] AS [reason] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([topology] NVARCHAR(64) '$[0]', [machine] NVARCHAR(64) '$[1]', [id] NVARCHAR(max) '$[2]', [position] BIGINT '$[3]', [type] NVARCHAR(max) '$[4]', [reason] NVARCHAR(max) '$[5]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
UPDATE t SET t.[id] = s.[id], t.[position] = s.[position], t.[type] = s.[type], t.[reason] = s.[reason] FROM [plant].[parked] AS t JOIN #staging AS s ON s.[topology] = t.[topology] AND s.[machine] = t.[machine];
INSERT INTO [plant].[parked] ([topology], [machine], [id], [position], [type], [reason]) SELECT s.[topology], s.[machine], s.[id], s.[position], s.[type], s.[reason] FROM #staging AS s WHERE NOT EXISTS (SELECT 1 FROM [plant].[parked] AS t WITH (UPDLOCK, HOLDLOCK) WHERE s.[topology] = t.[topology] AND s.[machine] = t.[machine]);
DROP TABLE #staging;
SELECT @rows

-- parked: delete
SET NOCOUNT ON;
SELECT j.[topology] COLLATE Latin1_General_100_BIN2 AS [topology], j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([topology] NVARCHAR(64) '$[0]', [machine] NVARCHAR(64) '$[1]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
DELETE t FROM [plant].[parked] AS t JOIN #staging AS s ON s.[topology] = t.[topology] AND s.[machine] = t.[machine];
DROP TABLE #staging;
SELECT @rows

-- quarantine: upsert
SET NOCOUNT ON;
SELECT j.[id] COLLATE Latin1_General_100_BIN2 AS [id], j.[t_ns] AS [t_ns], j.[t] AS [t], j.[source] AS [source], j.[place] AS [place], j.[reason] AS [reason], CAST(0x AS VARBINARY(MAX)) AS [raw] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([id] NVARCHAR(256) '$[0]', [t_ns] BIGINT '$[1]', [t] DATETIME2(6) '$[2]', [source] NVARCHAR(max) '$[3]', [place] NVARCHAR(max) '$[4]', [reason] NVARCHAR(max) '$[5]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
UPDATE t SET t.[t_ns] = s.[t_ns], t.[t] = s.[t], t.[source] = s.[source], t.[place] = s.[place], t.[reason] = s.[reason], t.[raw] = s.[raw] FROM [plant].[quarantine] AS t JOIN #staging AS s ON s.[id] = t.[id];
INSERT INTO [plant].[quarantine] ([id], [t_ns], [t], [source], [place], [reason], [raw]) SELECT s.[id], s.[t_ns], s.[t], s.[source], s.[place], s.[reason], s.[raw] FROM #staging AS s WHERE NOT EXISTS (SELECT 1 FROM [plant].[quarantine] AS t WITH (UPDLOCK, HOLDLOCK) WHERE s.[id] = t.[id]);
DROP TABLE #staging;
SELECT @rows

-- quarantine: delete
SET NOCOUNT ON;
SELECT j.[id] COLLATE Latin1_General_100_BIN2 AS [id] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([id] NVARCHAR(256) '$[0]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
DELETE t FROM [plant].[quarantine] AS t JOIN #staging AS s ON s.[id] = t.[id];
DROP TABLE #staging;
SELECT @rows

-- reason: upsert
SET NOCOUNT ON;
SELECT j.[said] COLLATE Latin1_General_100_BIN2 AS [said], j.[reason] COLLATE Latin1_General_100_BIN2 AS [reason], j.[t_ns] AS [t_ns], j.[n] AS [n], j.[path] AS [path], j.[category] COLLATE Latin1_General_100_BIN2 AS [category], j.[loss] COLLATE Latin1_General_100_BIN2 AS [loss], j.[machines] AS [machines], j.[lines] AS [lines] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([said] NVARCHAR(256) '$[0]', [reason] NVARCHAR(64) '$[1]', [t_ns] BIGINT '$[2]', [n] BIGINT '$[3]', [path] NVARCHAR(max) '$[4]', [category] NVARCHAR(64) '$[5]', [loss] NVARCHAR(64) '$[6]', [machines] NVARCHAR(max) '$[7]', [lines] NVARCHAR(max) '$[8]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
UPDATE t SET t.[t_ns] = s.[t_ns], t.[n] = s.[n], t.[path] = s.[path], t.[category] = s.[category], t.[loss] = s.[loss], t.[machines] = s.[machines], t.[lines] = s.[lines] FROM [plant].[reason] AS t JOIN #staging AS s ON s.[said] = t.[said] AND s.[reason] = t.[reason];
INSERT INTO [plant].[reason] ([said], [reason], [t_ns], [n], [path], [category], [loss], [machines], [lines]) SELECT s.[said], s.[reason], s.[t_ns], s.[n], s.[path], s.[category], s.[loss], s.[machines], s.[lines] FROM #staging AS s WHERE NOT EXISTS (SELECT 1 FROM [plant].[reason] AS t WITH (UPDLOCK, HOLDLOCK) WHERE s.[said] = t.[said] AND s.[reason] = t.[reason]);
DROP TABLE #staging;
SELECT @rows

-- reason: delete
SET NOCOUNT ON;
SELECT j.[said] COLLATE Latin1_General_100_BIN2 AS [said], j.[reason] COLLATE Latin1_General_100_BIN2 AS [reason] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([said] NVARCHAR(256) '$[0]', [reason] NVARCHAR(64) '$[1]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
DELETE t FROM [plant].[reason] AS t JOIN #staging AS s ON s.[said] = t.[said] AND s.[reason] = t.[reason];
DROP TABLE #staging;
SELECT @rows

-- relation: upsert
SET NOCOUNT ON;
SELECT j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine], j.[relation] COLLATE Latin1_General_100_BIN2 AS [relation], j.[other] COLLATE Latin1_General_100_BIN2 AS [other] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([machine] NVARCHAR(64) '$[0]', [relation] NVARCHAR(64) '$[1]', [other] NVARCHAR(64) '$[2]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
INSERT INTO [plant].[relation] ([machine], [relation], [other]) SELECT s.[machine], s.[relation], s.[other] FROM #staging AS s WHERE NOT EXISTS (SELECT 1 FROM [plant].[relation] AS t WITH (UPDLOCK, HOLDLOCK) WHERE s.[machine] = t.[machine] AND s.[relation] = t.[relation] AND s.[other] = t.[other]);
DROP TABLE #staging;
SELECT @rows

-- relation: delete
SET NOCOUNT ON;
SELECT j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine], j.[relation] COLLATE Latin1_General_100_BIN2 AS [relation], j.[other] COLLATE Latin1_General_100_BIN2 AS [other] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([machine] NVARCHAR(64) '$[0]', [relation] NVARCHAR(64) '$[1]', [other] NVARCHAR(64) '$[2]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
DELETE t FROM [plant].[relation] AS t JOIN #staging AS s ON s.[machine] = t.[machine] AND s.[relation] = t.[relation] AND s.[other] = t.[other];
DROP TABLE #staging;
SELECT @rows

-- score_rollup: upsert
SET NOCOUNT ON;
SELECT j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine], j.[start_ns] AS [start_ns], j.[start] AS [start], j.[n] AS [n], j.[unusual] AS [unusual], j.[max] AS [max], j.[sum_e6] AS [sum_e6] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([machine] NVARCHAR(64) '$[0]', [start_ns] BIGINT '$[1]', [start] DATETIME2(6) '$[2]', [n] BIGINT '$[3]', [unusual] BIGINT '$[4]', [max] FLOAT '$[5]', [sum_e6] BIGINT '$[6]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
UPDATE t SET t.[start] = s.[start], t.[n] = s.[n], t.[unusual] = s.[unusual], t.[max] = s.[max], t.[sum_e6] = s.[sum_e6] FROM [plant].[score_rollup] AS t JOIN #staging AS s ON s.[machine] = t.[machine] AND s.[start_ns] = t.[start_ns];
INSERT INTO [plant].[score_rollup] ([machine], [start_ns], [start], [n], [unusual], [max], [sum_e6]) SELECT s.[machine], s.[start_ns], s.[start], s.[n], s.[unusual], s.[max], s.[sum_e6] FROM #staging AS s WHERE NOT EXISTS (SELECT 1 FROM [plant].[score_rollup] AS t WITH (UPDLOCK, HOLDLOCK) WHERE s.[machine] = t.[machine] AND s.[start_ns] = t.[start_ns]);
DROP TABLE #staging;
SELECT @rows

-- score_rollup: delete
SET NOCOUNT ON;
SELECT j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine], j.[start_ns] AS [start_ns] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([machine] NVARCHAR(64) '$[0]', [start_ns] BIGINT '$[1]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
DELETE t FROM [plant].[score_rollup] AS t JOIN #staging AS s ON s.[machine] = t.[machine] AND s.[start_ns] = t.[start_ns];
DROP TABLE #staging;
SELECT @rows

-- score_rollup: add
SET NOCOUNT ON;
SELECT j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine], j.[start_ns] AS [start_ns], j.[start] AS [start], j.[n] AS [n], j.[unusual] AS [unusual], j.[max] AS [max], j.[sum_e6] AS [sum_e6] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([machine] NVARCHAR(64) '$[0]', [start_ns] BIGINT '$[1]', [start] DATETIME2(6) '$[2]', [n] BIGINT '$[3]', [unusual] BIGINT '$[4]', [max] FLOAT '$[5]', [sum_e6] BIGINT '$[6]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
UPDATE t SET t.[start] = CASE WHEN s.[start] > t.[start] THEN s.[start] ELSE t.[start] END, t.[n] = t.[n] + s.[n], t.[unusual] = t.[unusual] + s.[unusual], t.[max] = CASE WHEN s.[max] > t.[max] THEN s.[max] ELSE t.[max] END, t.[sum_e6] = t.[sum_e6] + s.[sum_e6] FROM [plant].[score_rollup] AS t JOIN #staging AS s ON s.[machine] = t.[machine] AND s.[start_ns] = t.[start_ns];
INSERT INTO [plant].[score_rollup] ([machine], [start_ns], [start], [n], [unusual], [max], [sum_e6]) SELECT s.[machine], s.[start_ns], s.[start], s.[n], s.[unusual], s.[max], s.[sum_e6] FROM #staging AS s WHERE NOT EXISTS (SELECT 1 FROM [plant].[score_rollup] AS t WITH (UPDLOCK, HOLDLOCK) WHERE s.[machine] = t.[machine] AND s.[start_ns] = t.[start_ns]);
DROP TABLE #staging;
SELECT @rows

-- shift: upsert
SET NOCOUNT ON;
SELECT j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine], j.[start_ns] AS [start_ns], j.[name] COLLATE Latin1_General_100_BIN2 AS [name], j.[end_ns] AS [end_ns], j.[start] AS [start], j.[end] AS [end] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([machine] NVARCHAR(64) '$[0]', [start_ns] BIGINT '$[1]', [name] NVARCHAR(64) '$[2]', [end_ns] BIGINT '$[3]', [start] DATETIME2(6) '$[4]', [end] DATETIME2(6) '$[5]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
UPDATE t SET t.[end_ns] = s.[end_ns], t.[start] = s.[start], t.[end] = s.[end] FROM [plant].[shift] AS t JOIN #staging AS s ON s.[machine] = t.[machine] AND s.[start_ns] = t.[start_ns] AND s.[name] = t.[name];
INSERT INTO [plant].[shift] ([machine], [start_ns], [name], [end_ns], [start], [end]) SELECT s.[machine], s.[start_ns], s.[name], s.[end_ns], s.[start], s.[end] FROM #staging AS s WHERE NOT EXISTS (SELECT 1 FROM [plant].[shift] AS t WITH (UPDLOCK, HOLDLOCK) WHERE s.[machine] = t.[machine] AND s.[start_ns] = t.[start_ns] AND s.[name] = t.[name]);
DROP TABLE #staging;
SELECT @rows

-- shift: delete
SET NOCOUNT ON;
SELECT j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine], j.[start_ns] AS [start_ns], j.[name] COLLATE Latin1_General_100_BIN2 AS [name] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([machine] NVARCHAR(64) '$[0]', [start_ns] BIGINT '$[1]', [name] NVARCHAR(64) '$[2]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
DELETE t FROM [plant].[shift] AS t JOIN #staging AS s ON s.[machine] = t.[machine] AND s.[start_ns] = t.[start_ns] AND s.[name] = t.[name];
DROP TABLE #staging;
SELECT @rows

-- signal_clock: upsert
SET NOCOUNT ON;
SELECT j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine], j.[signal] COLLATE Latin1_General_100_BIN2 AS [signal], j.[clock] COLLATE Latin1_General_100_BIN2 AS [clock], j.[t_ns] AS [t_ns], j.[t] AS [t], j.[seq] AS [seq], j.[value] AS [value], j.[text] AS [text], j.[status] AS [status], j.[position] AS [position] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([machine] NVARCHAR(64) '$[0]', [signal] NVARCHAR(64) '$[1]', [clock] NVARCHAR(256) '$[2]', [t_ns] BIGINT '$[3]', [t] DATETIME2(6) '$[4]', [seq] BIGINT '$[5]', [value] FLOAT '$[6]', [text] NVARCHAR(max) '$[7]', [status] BIGINT '$[8]', [position] BIGINT '$[9]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
UPDATE t SET t.[t_ns] = s.[t_ns], t.[t] = s.[t], t.[seq] = s.[seq], t.[value] = s.[value], t.[text] = s.[text], t.[status] = s.[status], t.[position] = s.[position] FROM [plant].[signal_clock] AS t JOIN #staging AS s ON s.[machine] = t.[machine] AND s.[signal] = t.[signal] AND s.[clock] = t.[clock];
INSERT INTO [plant].[signal_clock] ([machine], [signal], [clock], [t_ns], [t], [seq], [value], [text], [status], [position]) SELECT s.[machine], s.[signal], s.[clock], s.[t_ns], s.[t], s.[seq], s.[value], s.[text], s.[status], s.[position] FROM #staging AS s WHERE NOT EXISTS (SELECT 1 FROM [plant].[signal_clock] AS t WITH (UPDLOCK, HOLDLOCK) WHERE s.[machine] = t.[machine] AND s.[signal] = t.[signal] AND s.[clock] = t.[clock]);
DROP TABLE #staging;
SELECT @rows

-- signal_clock: delete
SET NOCOUNT ON;
SELECT j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine], j.[signal] COLLATE Latin1_General_100_BIN2 AS [signal], j.[clock] COLLATE Latin1_General_100_BIN2 AS [clock] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([machine] NVARCHAR(64) '$[0]', [signal] NVARCHAR(64) '$[1]', [clock] NVARCHAR(256) '$[2]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
DELETE t FROM [plant].[signal_clock] AS t JOIN #staging AS s ON s.[machine] = t.[machine] AND s.[signal] = t.[signal] AND s.[clock] = t.[clock];
DROP TABLE #staging;
SELECT @rows

-- signal_clock: upsert of the newest
SET NOCOUNT ON;
SELECT j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine], j.[signal] COLLATE Latin1_General_100_BIN2 AS [signal], j.[clock] COLLATE Latin1_General_100_BIN2 AS [clock], j.[t_ns] AS [t_ns], j.[t] AS [t], j.[seq] AS [seq], j.[value] AS [value], j.[text] AS [text], j.[status] AS [status], j.[position] AS [position] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([machine] NVARCHAR(64) '$[0]', [signal] NVARCHAR(64) '$[1]', [clock] NVARCHAR(256) '$[2]', [t_ns] BIGINT '$[3]', [t] DATETIME2(6) '$[4]', [seq] BIGINT '$[5]', [value] FLOAT '$[6]', [text] NVARCHAR(max) '$[7]', [status] BIGINT '$[8]', [position] BIGINT '$[9]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
UPDATE t SET t.[t_ns] = s.[t_ns], t.[t] = s.[t], t.[seq] = s.[seq], t.[value] = s.[value], t.[text] = s.[text], t.[status] = s.[status], t.[position] = s.[position] FROM [plant].[signal_clock] AS t JOIN #staging AS s ON s.[machine] = t.[machine] AND s.[signal] = t.[signal] AND s.[clock] = t.[clock] WHERE (s.[t_ns] > t.[t_ns] OR s.[t_ns] = t.[t_ns] AND s.[seq] >= t.[seq]);
INSERT INTO [plant].[signal_clock] ([machine], [signal], [clock], [t_ns], [t], [seq], [value], [text], [status], [position]) SELECT s.[machine], s.[signal], s.[clock], s.[t_ns], s.[t], s.[seq], s.[value], s.[text], s.[status], s.[position] FROM #staging AS s WHERE NOT EXISTS (SELECT 1 FROM [plant].[signal_clock] AS t WITH (UPDLOCK, HOLDLOCK) WHERE s.[machine] = t.[machine] AND s.[signal] = t.[signal] AND s.[clock] = t.[clock]);
DROP TABLE #staging;
SELECT @rows

-- signal_rollup: upsert
SET NOCOUNT ON;
SELECT j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine], j.[signal] COLLATE Latin1_General_100_BIN2 AS [signal], j.[resolution_s] AS [resolution_s], j.[start_ns] AS [start_ns], j.[start] AS [start], j.[n] AS [n], j.[bad] AS [bad], j.[min] AS [min], j.[max] AS [max], j.[sum] AS [sum], j.[first] AS [first], j.[last] AS [last], j.[first_t_ns] AS [first_t_ns], j.[last_t_ns] AS [last_t_ns], j.[revision] AS [revision], j.[known_from_ns] AS [known_from_ns] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([machine] NVARCHAR(64) '$[0]', [signal] NVARCHAR(64) '$[1]', [resolution_s] BIGINT '$[2]', [start_ns] BIGINT '$[3]', [start] DATETIME2(6) '$[4]', [n] BIGINT '$[5]', [bad] BIGINT '$[6]', [min] FLOAT '$[7]', [max] FLOAT '$[8]', [sum] FLOAT '$[9]', [first] FLOAT '$[10]', [last] FLOAT '$[11]', [first_t_ns] BIGINT '$[12]', [last_t_ns] BIGINT '$[13]', [revision] BIGINT '$[14]', [known_from_ns] BIGINT '$[15]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
UPDATE t SET t.[start] = s.[start], t.[n] = s.[n], t.[bad] = s.[bad], t.[min] = s.[min], t.[max] = s.[max], t.[sum] = s.[sum], t.[first] = s.[first], t.[last] = s.[last], t.[first_t_ns] = s.[first_t_ns], t.[last_t_ns] = s.[last_t_ns], t.[revision] = s.[revision], t.[known_from_ns] = s.[known_from_ns] FROM [plant].[signal_rollup] AS t JOIN #staging AS s ON s.[machine] = t.[machine] AND s.[signal] = t.[signal] AND s.[resolution_s] = t.[resolution_s] AND s.[start_ns] = t.[start_ns];
INSERT INTO [plant].[signal_rollup] ([machine], [signal], [resolution_s], [start_ns], [start], [n], [bad], [min], [max], [sum], [first], [last], [first_t_ns], [last_t_ns], [revision], [known_from_ns]) SELECT s.[machine], s.[signal], s.[resolution_s], s.[start_ns], s.[start], s.[n], s.[bad], s.[min], s.[max], s.[sum], s.[first], s.[last], s.[first_t_ns], s.[last_t_ns], s.[revision], s.[known_from_ns] FROM #staging AS s WHERE NOT EXISTS (SELECT 1 FROM [plant].[signal_rollup] AS t WITH (UPDLOCK, HOLDLOCK) WHERE s.[machine] = t.[machine] AND s.[signal] = t.[signal] AND s.[resolution_s] = t.[resolution_s] AND s.[start_ns] = t.[start_ns]);
DROP TABLE #staging;
SELECT @rows

-- signal_rollup: delete
SET NOCOUNT ON;
SELECT j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine], j.[signal] COLLATE Latin1_General_100_BIN2 AS [signal], j.[resolution_s] AS [resolution_s], j.[start_ns] AS [start_ns] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([machine] NVARCHAR(64) '$[0]', [signal] NVARCHAR(64) '$[1]', [resolution_s] BIGINT '$[2]', [start_ns] BIGINT '$[3]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
DELETE t FROM [plant].[signal_rollup] AS t JOIN #staging AS s ON s.[machine] = t.[machine] AND s.[signal] = t.[signal] AND s.[resolution_s] = t.[resolution_s] AND s.[start_ns] = t.[start_ns];
DROP TABLE #staging;
SELECT @rows

-- signal_unit: upsert
SET NOCOUNT ON;
SELECT j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine], j.[signal] COLLATE Latin1_General_100_BIN2 AS [signal], j.[unit] AS [unit] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([machine] NVARCHAR(64) '$[0]', [signal] NVARCHAR(64) '$[1]', [unit] NVARCHAR(max) '$[2]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
UPDATE t SET t.[unit] = s.[unit] FROM [plant].[signal_unit] AS t JOIN #staging AS s ON s.[machine] = t.[machine] AND s.[signal] = t.[signal];
INSERT INTO [plant].[signal_unit] ([machine], [signal], [unit]) SELECT s.[machine], s.[signal], s.[unit] FROM #staging AS s WHERE NOT EXISTS (SELECT 1 FROM [plant].[signal_unit] AS t WITH (UPDLOCK, HOLDLOCK) WHERE s.[machine] = t.[machine] AND s.[signal] = t.[signal]);
DROP TABLE #staging;
SELECT @rows

-- signal_unit: delete
SET NOCOUNT ON;
SELECT j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine], j.[signal] COLLATE Latin1_General_100_BIN2 AS [signal] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([machine] NVARCHAR(64) '$[0]', [signal] NVARCHAR(64) '$[1]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
DELETE t FROM [plant].[signal_unit] AS t JOIN #staging AS s ON s.[machine] = t.[machine] AND s.[signal] = t.[signal];
DROP TABLE #staging;
SELECT @rows

-- source_audit: upsert
SET NOCOUNT ON;
SELECT j.[id] COLLATE Latin1_General_100_BIN2 AS [id], j.[source] AS [source], j.[t_ns] AS [t_ns], j.[received] AS [received], j.[appended] AS [appended], j.[duplicate] AS [duplicate], j.[quarantined] AS [quarantined] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([id] NVARCHAR(256) '$[0]', [source] NVARCHAR(max) '$[1]', [t_ns] BIGINT '$[2]', [received] BIGINT '$[3]', [appended] BIGINT '$[4]', [duplicate] BIGINT '$[5]', [quarantined] BIGINT '$[6]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
UPDATE t SET t.[source] = s.[source], t.[t_ns] = s.[t_ns], t.[received] = s.[received], t.[appended] = s.[appended], t.[duplicate] = s.[duplicate], t.[quarantined] = s.[quarantined] FROM [plant].[source_audit] AS t JOIN #staging AS s ON s.[id] = t.[id];
INSERT INTO [plant].[source_audit] ([id], [source], [t_ns], [received], [appended], [duplicate], [quarantined]) SELECT s.[id], s.[source], s.[t_ns], s.[received], s.[appended], s.[duplicate], s.[quarantined] FROM #staging AS s WHERE NOT EXISTS (SELECT 1 FROM [plant].[source_audit] AS t WITH (UPDLOCK, HOLDLOCK) WHERE s.[id] = t.[id]);
DROP TABLE #staging;
SELECT @rows

-- source_audit: delete
SET NOCOUNT ON;
SELECT j.[id] COLLATE Latin1_General_100_BIN2 AS [id] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([id] NVARCHAR(256) '$[0]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
DELETE t FROM [plant].[source_audit] AS t JOIN #staging AS s ON s.[id] = t.[id];
DROP TABLE #staging;
SELECT @rows

-- state_interval: upsert
SET NOCOUNT ON;
SELECT j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine], j.[start_ns] AS [start_ns], j.[start] AS [start], j.[end_ns] AS [end_ns], j.[end] AS [end], j.[state] COLLATE Latin1_General_100_BIN2 AS [state], j.[category] COLLATE Latin1_General_100_BIN2 AS [category], j.[why] AS [why] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([machine] NVARCHAR(64) '$[0]', [start_ns] BIGINT '$[1]', [start] DATETIME2(6) '$[2]', [end_ns] BIGINT '$[3]', [end] DATETIME2(6) '$[4]', [state] NVARCHAR(64) '$[5]', [category] NVARCHAR(64) '$[6]', [why] NVARCHAR(max) '$[7]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
UPDATE t SET t.[start] = s.[start], t.[end_ns] = s.[end_ns], t.[end] = s.[end], t.[state] = s.[state], t.[category] = s.[category], t.[why] = s.[why] FROM [plant].[state_interval] AS t JOIN #staging AS s ON s.[machine] = t.[machine] AND s.[start_ns] = t.[start_ns];
INSERT INTO [plant].[state_interval] ([machine], [start_ns], [start], [end_ns], [end], [state], [category], [why]) SELECT s.[machine], s.[start_ns], s.[start], s.[end_ns], s.[end], s.[state], s.[category], s.[why] FROM #staging AS s WHERE NOT EXISTS (SELECT 1 FROM [plant].[state_interval] AS t WITH (UPDLOCK, HOLDLOCK) WHERE s.[machine] = t.[machine] AND s.[start_ns] = t.[start_ns]);
DROP TABLE #staging;
SELECT @rows

-- state_interval: delete
SET NOCOUNT ON;
SELECT j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine], j.[start_ns] AS [start_ns] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([machine] NVARCHAR(64) '$[0]', [start_ns] BIGINT '$[1]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
DELETE t FROM [plant].[state_interval] AS t JOIN #staging AS s ON s.[machine] = t.[machine] AND s.[start_ns] = t.[start_ns];
DROP TABLE #staging;
SELECT @rows

-- stop: upsert
SET NOCOUNT ON;
SELECT j.[id] COLLATE Latin1_General_100_BIN2 AS [id], j.[machine] COLLATE Latin1_General_100_BIN2 AS [machine], j.[start_ns] AS [start_ns], j.[start] AS [start], j.[end_ns] AS [end_ns], j.[end] AS [end], j.[state] COLLATE Latin1_General_100_BIN2 AS [state], j.[category] COLLATE Latin1_General_100_BIN2 AS [category], j.[reason] AS [reason], j.[by] AS [by], j.[revision] AS [revision], j.[gaps] AS [gaps], j.[edit] AS [edit] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([id] NVARCHAR(64) '$[0]', [machine] NVARCHAR(64) '$[1]', [start_ns] BIGINT '$[2]', [start] DATETIME2(6) '$[3]', [end_ns] BIGINT '$[4]', [end] DATETIME2(6) '$[5]', [state] NVARCHAR(64) '$[6]', [category] NVARCHAR(64) '$[7]', [reason] NVARCHAR(max) '$[8]', [by] NVARCHAR(max) '$[9]', [revision] BIGINT '$[10]', [gaps] NVARCHAR(max) '$[11]', [edit] NVARCHAR(max) '$[12]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
UPDATE t SET t.[machine] = s.[machine], t.[start_ns] = s.[start_ns], t.[start] = s.[start], t.[end_ns] = s.[end_ns], t.[end] = s.[end], t.[state] = s.[state], t.[category] = s.[category], t.[reason] = s.[reason], t.[by] = s.[by], t.[revision] = s.[revision], t.[gaps] = s.[gaps], t.[edit] = s.[edit] FROM [plant].[stop] AS t JOIN #staging AS s ON s.[id] = t.[id];
INSERT INTO [plant].[stop] ([id], [machine], [start_ns], [start], [end_ns], [end], [state], [category], [reason], [by], [revision], [gaps], [edit]) SELECT s.[id], s.[machine], s.[start_ns], s.[start], s.[end_ns], s.[end], s.[state], s.[category], s.[reason], s.[by], s.[revision], s.[gaps], s.[edit] FROM #staging AS s WHERE NOT EXISTS (SELECT 1 FROM [plant].[stop] AS t WITH (UPDLOCK, HOLDLOCK) WHERE s.[id] = t.[id]);
DROP TABLE #staging;
SELECT @rows

-- stop: delete
SET NOCOUNT ON;
SELECT j.[id] COLLATE Latin1_General_100_BIN2 AS [id] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([id] NVARCHAR(64) '$[0]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 0;
DELETE t FROM [plant].[stop] AS t JOIN #staging AS s ON s.[id] = t.[id];
DROP TABLE #staging;
SELECT @rows

-- quarantine: upsert of rows with bytes
SET NOCOUNT ON;
SELECT j.[id] COLLATE Latin1_General_100_BIN2 AS [id], j.[t_ns] AS [t_ns], CAST(0x AS VARBINARY(MAX)) AS [raw] INTO #staging FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ([id] NVARCHAR(256) '$[0]', [t_ns] BIGINT '$[1]') AS j;
DECLARE @rows INT = @@ROWCOUNT + 2;
INSERT INTO #staging ([id], [t_ns], [raw]) VALUES (CAST(? AS NVARCHAR(256)), CAST(? AS BIGINT), CAST(? AS VARBINARY(max)));
INSERT INTO #staging ([id], [t_ns], [raw]) VALUES (CAST(? AS NVARCHAR(256)), CAST(? AS BIGINT), CAST(? AS VARBINARY(max)));
UPDATE t SET t.[t_ns] = s.[t_ns], t.[raw] = s.[raw] FROM [plant].[quarantine] AS t JOIN #staging AS s ON s.[id] = t.[id];
INSERT INTO [plant].[quarantine] ([id], [t_ns], [raw]) SELECT s.[id], s.[t_ns], s.[raw] FROM #staging AS s WHERE NOT EXISTS (SELECT 1 FROM [plant].[quarantine] AS t WITH (UPDLOCK, HOLDLOCK) WHERE s.[id] = t.[id]);
DROP TABLE #staging;
SELECT @rows

-- oee_hour: again, machine, start_ns, start_ns, end_ns, param_1, end_ns, param_2
DELETE FROM plant.oee_hour WHERE plant.oee_hour.machine = ? AND plant.oee_hour.start_ns >= ? - ? % CAST(3600000000000 AS BIGINT) AND plant.oee_hour.start_ns < ((? + CAST(3600000000000 AS BIGINT)) - ?) - ((? + CAST(3600000000000 AS BIGINT)) - ?) % CAST(3600000000000 AS BIGINT)

-- oee_hour: again, machine, start_ns, start_ns, end_ns, param_1, end_ns, param_2
INSERT INTO plant.oee_hour (machine, start_ns, product, start, minutes, revision, known_from_ns, off_run_ns, off_unplanned_ns, off_setup_ns, off_planned_ns, off_unknown_ns, planned_run_ns, planned_unplanned_ns, planned_setup_ns, planned_planned_ns, planned_unknown_ns, shift_run_ns, shift_unplanned_ns, shift_setup_ns, shift_planned_ns, shift_unknown_ns, off_idle_good, off_idle_reject, off_idle_rework, off_run_good, off_run_reject, off_run_rework, planned_idle_good, planned_idle_reject, planned_idle_rework, planned_run_good, planned_run_reject, planned_run_rework, shift_good, shift_reject, shift_rework, off_idle_good_ideal_ns, off_idle_reject_ideal_ns, off_idle_rework_ideal_ns, off_run_good_ideal_ns, off_run_reject_ideal_ns, off_run_rework_ideal_ns, planned_idle_good_ideal_ns, planned_idle_reject_ideal_ns, planned_idle_rework_ideal_ns, planned_run_good_ideal_ns, planned_run_reject_ideal_ns, planned_run_rework_ideal_ns, shift_good_ideal_ns, shift_reject_ideal_ns, shift_rework_ideal_ns, off_idle_no_ideal, off_run_no_ideal, planned_idle_no_ideal, planned_run_no_ideal, shift_no_ideal, counter_rollover, counter_reset, counter_backstep, counter_anomaly) SELECT plant.oee_bucket.machine AS machine, plant.oee_bucket.start_ns - plant.oee_bucket.start_ns % CAST(3600000000000 AS BIGINT) AS start_ns, plant.oee_bucket.product AS product, DATEADD(hour, DATEDIFF(hour, CAST('1970-01-01' AS DATETIME2(6)), min(plant.oee_bucket.start)), CAST('1970-01-01' AS DATETIME2(6))) AS start, count(*) AS minutes, max(plant.oee_bucket.revision) AS revision, max(plant.oee_bucket.known_from_ns) AS known_from_ns, sum(plant.oee_bucket.off_run_ns) AS off_run_ns, sum(plant.oee_bucket.off_unplanned_ns) AS off_unplanned_ns, sum(plant.oee_bucket.off_setup_ns) AS off_setup_ns, sum(plant.oee_bucket.off_planned_ns) AS off_planned_ns, sum(plant.oee_bucket.off_unknown_ns) AS off_unknown_ns, sum(plant.oee_bucket.planned_run_ns) AS planned_run_ns, sum(plant.oee_bucket.planned_unplanned_ns) AS planned_unplanned_ns, sum(plant.oee_bucket.planned_setup_ns) AS planned_setup_ns, sum(plant.oee_bucket.planned_planned_ns) AS planned_planned_ns, sum(plant.oee_bucket.planned_unknown_ns) AS planned_unknown_ns, sum(plant.oee_bucket.shift_run_ns) AS shift_run_ns, sum(plant.oee_bucket.shift_unplanned_ns) AS shift_unplanned_ns, sum(plant.oee_bucket.shift_setup_ns) AS shift_setup_ns, sum(plant.oee_bucket.shift_planned_ns) AS shift_planned_ns, sum(plant.oee_bucket.shift_unknown_ns) AS shift_unknown_ns, sum(plant.oee_bucket.off_idle_good) AS off_idle_good, sum(plant.oee_bucket.off_idle_reject) AS off_idle_reject, sum(plant.oee_bucket.off_idle_rework) AS off_idle_rework, sum(plant.oee_bucket.off_run_good) AS off_run_good, sum(plant.oee_bucket.off_run_reject) AS off_run_reject, sum(plant.oee_bucket.off_run_rework) AS off_run_rework, sum(plant.oee_bucket.planned_idle_good) AS planned_idle_good, sum(plant.oee_bucket.planned_idle_reject) AS planned_idle_reject, sum(plant.oee_bucket.planned_idle_rework) AS planned_idle_rework, sum(plant.oee_bucket.planned_run_good) AS planned_run_good, sum(plant.oee_bucket.planned_run_reject) AS planned_run_reject, sum(plant.oee_bucket.planned_run_rework) AS planned_run_rework, sum(plant.oee_bucket.shift_good) AS shift_good, sum(plant.oee_bucket.shift_reject) AS shift_reject, sum(plant.oee_bucket.shift_rework) AS shift_rework, sum(plant.oee_bucket.off_idle_good_ideal_ns) AS off_idle_good_ideal_ns, sum(plant.oee_bucket.off_idle_reject_ideal_ns) AS off_idle_reject_ideal_ns, sum(plant.oee_bucket.off_idle_rework_ideal_ns) AS off_idle_rework_ideal_ns, sum(plant.oee_bucket.off_run_good_ideal_ns) AS off_run_good_ideal_ns, sum(plant.oee_bucket.off_run_reject_ideal_ns) AS off_run_reject_ideal_ns, sum(plant.oee_bucket.off_run_rework_ideal_ns) AS off_run_rework_ideal_ns, sum(plant.oee_bucket.planned_idle_good_ideal_ns) AS planned_idle_good_ideal_ns, sum(plant.oee_bucket.planned_idle_reject_ideal_ns) AS planned_idle_reject_ideal_ns, sum(plant.oee_bucket.planned_idle_rework_ideal_ns) AS planned_idle_rework_ideal_ns, sum(plant.oee_bucket.planned_run_good_ideal_ns) AS planned_run_good_ideal_ns, sum(plant.oee_bucket.planned_run_reject_ideal_ns) AS planned_run_reject_ideal_ns, sum(plant.oee_bucket.planned_run_rework_ideal_ns) AS planned_run_rework_ideal_ns, sum(plant.oee_bucket.shift_good_ideal_ns) AS shift_good_ideal_ns, sum(plant.oee_bucket.shift_reject_ideal_ns) AS shift_reject_ideal_ns, sum(plant.oee_bucket.shift_rework_ideal_ns) AS shift_rework_ideal_ns, sum(plant.oee_bucket.off_idle_no_ideal) AS off_idle_no_ideal, sum(plant.oee_bucket.off_run_no_ideal) AS off_run_no_ideal, sum(plant.oee_bucket.planned_idle_no_ideal) AS planned_idle_no_ideal, sum(plant.oee_bucket.planned_run_no_ideal) AS planned_run_no_ideal, sum(plant.oee_bucket.shift_no_ideal) AS shift_no_ideal, sum(plant.oee_bucket.counter_rollover) AS counter_rollover, sum(plant.oee_bucket.counter_reset) AS counter_reset, sum(plant.oee_bucket.counter_backstep) AS counter_backstep, sum(plant.oee_bucket.counter_anomaly) AS counter_anomaly
FROM plant.oee_bucket
WHERE plant.oee_bucket.machine = ? AND plant.oee_bucket.start_ns >= ? - ? % CAST(3600000000000 AS BIGINT) AND plant.oee_bucket.start_ns < ((? + CAST(3600000000000 AS BIGINT)) - ?) - ((? + CAST(3600000000000 AS BIGINT)) - ?) % CAST(3600000000000 AS BIGINT) GROUP BY plant.oee_bucket.machine, plant.oee_bucket.start_ns - plant.oee_bucket.start_ns % CAST(3600000000000 AS BIGINT), plant.oee_bucket.product

-- oee_shift: again, machine, end_ns, start_ns
DELETE FROM plant.oee_shift WHERE plant.oee_shift.machine = ? AND plant.oee_shift.start_ns < ? AND plant.oee_shift.end_ns > ?

-- oee_shift: again, machine, end_ns, start_ns
INSERT INTO plant.oee_shift (machine, start_ns, name, end_ns, start, [end], product, minutes, revision, known_from_ns, off_run_ns, off_unplanned_ns, off_setup_ns, off_planned_ns, off_unknown_ns, planned_run_ns, planned_unplanned_ns, planned_setup_ns, planned_planned_ns, planned_unknown_ns, shift_run_ns, shift_unplanned_ns, shift_setup_ns, shift_planned_ns, shift_unknown_ns, off_idle_good, off_idle_reject, off_idle_rework, off_run_good, off_run_reject, off_run_rework, planned_idle_good, planned_idle_reject, planned_idle_rework, planned_run_good, planned_run_reject, planned_run_rework, shift_good, shift_reject, shift_rework, off_idle_good_ideal_ns, off_idle_reject_ideal_ns, off_idle_rework_ideal_ns, off_run_good_ideal_ns, off_run_reject_ideal_ns, off_run_rework_ideal_ns, planned_idle_good_ideal_ns, planned_idle_reject_ideal_ns, planned_idle_rework_ideal_ns, planned_run_good_ideal_ns, planned_run_reject_ideal_ns, planned_run_rework_ideal_ns, shift_good_ideal_ns, shift_reject_ideal_ns, shift_rework_ideal_ns, off_idle_no_ideal, off_run_no_ideal, planned_idle_no_ideal, planned_run_no_ideal, shift_no_ideal, counter_rollover, counter_reset, counter_backstep, counter_anomaly) SELECT plant.shift.machine AS machine, plant.shift.start_ns AS start_ns, plant.shift.name AS name, plant.shift.end_ns AS end_ns, plant.shift.start AS start, plant.shift.[end] AS [end], plant.oee_bucket.product AS product, count(*) AS minutes, max(plant.oee_bucket.revision) AS revision, max(plant.oee_bucket.known_from_ns) AS known_from_ns, sum(plant.oee_bucket.off_run_ns) AS off_run_ns, sum(plant.oee_bucket.off_unplanned_ns) AS off_unplanned_ns, sum(plant.oee_bucket.off_setup_ns) AS off_setup_ns, sum(plant.oee_bucket.off_planned_ns) AS off_planned_ns, sum(plant.oee_bucket.off_unknown_ns) AS off_unknown_ns, sum(plant.oee_bucket.planned_run_ns) AS planned_run_ns, sum(plant.oee_bucket.planned_unplanned_ns) AS planned_unplanned_ns, sum(plant.oee_bucket.planned_setup_ns) AS planned_setup_ns, sum(plant.oee_bucket.planned_planned_ns) AS planned_planned_ns, sum(plant.oee_bucket.planned_unknown_ns) AS planned_unknown_ns, sum(plant.oee_bucket.shift_run_ns) AS shift_run_ns, sum(plant.oee_bucket.shift_unplanned_ns) AS shift_unplanned_ns, sum(plant.oee_bucket.shift_setup_ns) AS shift_setup_ns, sum(plant.oee_bucket.shift_planned_ns) AS shift_planned_ns, sum(plant.oee_bucket.shift_unknown_ns) AS shift_unknown_ns, sum(plant.oee_bucket.off_idle_good) AS off_idle_good, sum(plant.oee_bucket.off_idle_reject) AS off_idle_reject, sum(plant.oee_bucket.off_idle_rework) AS off_idle_rework, sum(plant.oee_bucket.off_run_good) AS off_run_good, sum(plant.oee_bucket.off_run_reject) AS off_run_reject, sum(plant.oee_bucket.off_run_rework) AS off_run_rework, sum(plant.oee_bucket.planned_idle_good) AS planned_idle_good, sum(plant.oee_bucket.planned_idle_reject) AS planned_idle_reject, sum(plant.oee_bucket.planned_idle_rework) AS planned_idle_rework, sum(plant.oee_bucket.planned_run_good) AS planned_run_good, sum(plant.oee_bucket.planned_run_reject) AS planned_run_reject, sum(plant.oee_bucket.planned_run_rework) AS planned_run_rework, sum(plant.oee_bucket.shift_good) AS shift_good, sum(plant.oee_bucket.shift_reject) AS shift_reject, sum(plant.oee_bucket.shift_rework) AS shift_rework, sum(plant.oee_bucket.off_idle_good_ideal_ns) AS off_idle_good_ideal_ns, sum(plant.oee_bucket.off_idle_reject_ideal_ns) AS off_idle_reject_ideal_ns, sum(plant.oee_bucket.off_idle_rework_ideal_ns) AS off_idle_rework_ideal_ns, sum(plant.oee_bucket.off_run_good_ideal_ns) AS off_run_good_ideal_ns, sum(plant.oee_bucket.off_run_reject_ideal_ns) AS off_run_reject_ideal_ns, sum(plant.oee_bucket.off_run_rework_ideal_ns) AS off_run_rework_ideal_ns, sum(plant.oee_bucket.planned_idle_good_ideal_ns) AS planned_idle_good_ideal_ns, sum(plant.oee_bucket.planned_idle_reject_ideal_ns) AS planned_idle_reject_ideal_ns, sum(plant.oee_bucket.planned_idle_rework_ideal_ns) AS planned_idle_rework_ideal_ns, sum(plant.oee_bucket.planned_run_good_ideal_ns) AS planned_run_good_ideal_ns, sum(plant.oee_bucket.planned_run_reject_ideal_ns) AS planned_run_reject_ideal_ns, sum(plant.oee_bucket.planned_run_rework_ideal_ns) AS planned_run_rework_ideal_ns, sum(plant.oee_bucket.shift_good_ideal_ns) AS shift_good_ideal_ns, sum(plant.oee_bucket.shift_reject_ideal_ns) AS shift_reject_ideal_ns, sum(plant.oee_bucket.shift_rework_ideal_ns) AS shift_rework_ideal_ns, sum(plant.oee_bucket.off_idle_no_ideal) AS off_idle_no_ideal, sum(plant.oee_bucket.off_run_no_ideal) AS off_run_no_ideal, sum(plant.oee_bucket.planned_idle_no_ideal) AS planned_idle_no_ideal, sum(plant.oee_bucket.planned_run_no_ideal) AS planned_run_no_ideal, sum(plant.oee_bucket.shift_no_ideal) AS shift_no_ideal, sum(plant.oee_bucket.counter_rollover) AS counter_rollover, sum(plant.oee_bucket.counter_reset) AS counter_reset, sum(plant.oee_bucket.counter_backstep) AS counter_backstep, sum(plant.oee_bucket.counter_anomaly) AS counter_anomaly
FROM plant.shift JOIN plant.oee_bucket ON plant.oee_bucket.machine = plant.shift.machine AND plant.oee_bucket.start_ns >= plant.shift.start_ns AND plant.oee_bucket.start_ns < plant.shift.end_ns
WHERE plant.shift.machine = ? AND plant.shift.start_ns < ? AND plant.shift.end_ns > ? GROUP BY plant.shift.machine, plant.shift.start_ns, plant.shift.name, plant.shift.end_ns, plant.shift.start, plant.shift.[end], plant.oee_bucket.product

-- alembic_version: table
CREATE TABLE plant.alembic_version (
	version_num VARCHAR(32) NOT NULL,
	PRIMARY KEY (version_num)
)

-- anomaly: table
CREATE TABLE plant.anomaly (
	[RecordID] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	machine NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NULL,
	[AnomalyScore] FLOAT NULL,
	[DetectionTime] DATETIME2(6) NULL,
	t_ns BIGINT NULL,
	since DATETIME2(6) NULL,
	since_ns BIGINT NULL,
	event NVARCHAR(max) NULL,
	severity NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NULL,
	explanation NVARCHAR(max) NULL,
	reasons NVARCHAR(max) NULL,
	product NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NULL,
	model BIGINT NULL,
	flags NVARCHAR(max) NULL,
	cleared DATETIME2(6) NULL,
	cleared_ns BIGINT NULL,
	cleared_by NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NULL,
	peak FLOAT NULL,
	PRIMARY KEY ([RecordID])
)

-- anomaly_machine: index
CREATE INDEX anomaly_machine ON plant.anomaly (machine, t_ns)

-- anomaly_time: index
CREATE INDEX anomaly_time ON plant.anomaly (t_ns)

-- checkpoint: table
CREATE TABLE plant.[checkpoint] (
	projection NVARCHAR(256) COLLATE Latin1_General_100_BIN2 NOT NULL,
	position BIGINT NOT NULL,
	marks VARBINARY(max) NOT NULL,
	PRIMARY KEY (projection)
)

-- command: table
CREATE TABLE plant.command (
	id NVARCHAR(256) COLLATE Latin1_General_100_BIN2 NOT NULL,
	stop NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	accepted BIGINT NOT NULL,
	expected_revision BIGINT NOT NULL,
	revision BIGINT NOT NULL,
	PRIMARY KEY (id)
)

-- log_block: table
CREATE TABLE plant.log_block (
	block BIGINT NOT NULL,
	ingested_ns BIGINT NOT NULL,
	PRIMARY KEY (block)
)

-- machine: table
CREATE TABLE plant.machine (
	machine NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	site NVARCHAR(max) NULL,
	area NVARCHAR(max) NULL,
	line NVARCHAR(max) NULL,
	definition NVARCHAR(max) NULL,
	PRIMARY KEY (machine)
)

-- machine_now: table
CREATE TABLE plant.machine_now (
	machine NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	state NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	why NVARCHAR(max) NOT NULL,
	since_ns BIGINT NOT NULL,
	since DATETIME2(6) NOT NULL,
	PRIMARY KEY (machine)
)

-- oee_bucket: table
CREATE TABLE plant.oee_bucket (
	machine NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	start_ns BIGINT NOT NULL,
	product NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	start DATETIME2(6) NOT NULL,
	revision BIGINT NOT NULL,
	known_from_ns BIGINT NOT NULL,
	off_run_ns BIGINT NOT NULL,
	off_unplanned_ns BIGINT NOT NULL,
	off_setup_ns BIGINT NOT NULL,
	off_planned_ns BIGINT NOT NULL,
	off_unknown_ns BIGINT NOT NULL,
	planned_run_ns BIGINT NOT NULL,
	planned_unplanned_ns BIGINT NOT NULL,
	planned_setup_ns BIGINT NOT NULL,
	planned_planned_ns BIGINT NOT NULL,
	planned_unknown_ns BIGINT NOT NULL,
	shift_run_ns BIGINT NOT NULL,
	shift_unplanned_ns BIGINT NOT NULL,
	shift_setup_ns BIGINT NOT NULL,
	shift_planned_ns BIGINT NOT NULL,
	shift_unknown_ns BIGINT NOT NULL,
	off_idle_good BIGINT NOT NULL,
	off_idle_reject BIGINT NOT NULL,
	off_idle_rework BIGINT NOT NULL,
	off_run_good BIGINT NOT NULL,
	off_run_reject BIGINT NOT NULL,
	off_run_rework BIGINT NOT NULL,
	planned_idle_good BIGINT NOT NULL,
	planned_idle_reject BIGINT NOT NULL,
	planned_idle_rework BIGINT NOT NULL,
	planned_run_good BIGINT NOT NULL,
	planned_run_reject BIGINT NOT NULL,
	planned_run_rework BIGINT NOT NULL,
	shift_good BIGINT NOT NULL,
	shift_reject BIGINT NOT NULL,
	shift_rework BIGINT NOT NULL,
	off_idle_good_ideal_ns BIGINT NOT NULL,
	off_idle_reject_ideal_ns BIGINT NOT NULL,
	off_idle_rework_ideal_ns BIGINT NOT NULL,
	off_run_good_ideal_ns BIGINT NOT NULL,
	off_run_reject_ideal_ns BIGINT NOT NULL,
	off_run_rework_ideal_ns BIGINT NOT NULL,
	planned_idle_good_ideal_ns BIGINT NOT NULL,
	planned_idle_reject_ideal_ns BIGINT NOT NULL,
	planned_idle_rework_ideal_ns BIGINT NOT NULL,
	planned_run_good_ideal_ns BIGINT NOT NULL,
	planned_run_reject_ideal_ns BIGINT NOT NULL,
	planned_run_rework_ideal_ns BIGINT NOT NULL,
	shift_good_ideal_ns BIGINT NOT NULL,
	shift_reject_ideal_ns BIGINT NOT NULL,
	shift_rework_ideal_ns BIGINT NOT NULL,
	off_idle_no_ideal BIGINT NOT NULL,
	off_run_no_ideal BIGINT NOT NULL,
	planned_idle_no_ideal BIGINT NOT NULL,
	planned_run_no_ideal BIGINT NOT NULL,
	shift_no_ideal BIGINT NOT NULL,
	counter_rollover BIGINT NOT NULL,
	counter_reset BIGINT NOT NULL,
	counter_backstep BIGINT NOT NULL,
	counter_anomaly BIGINT NOT NULL,
	PRIMARY KEY (machine, start_ns, product)
)

-- oee_history: table
CREATE TABLE plant.oee_history (
	machine NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	start_ns BIGINT NOT NULL,
	product NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	revision BIGINT NOT NULL,
	start DATETIME2(6) NOT NULL,
	known_from_ns BIGINT NOT NULL,
	known_to_ns BIGINT NOT NULL,
	cause NVARCHAR(max) NOT NULL,
	cause_type NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	cause_events BIGINT NOT NULL,
	[by] NVARCHAR(max) NOT NULL,
	reason NVARCHAR(max) NOT NULL,
	off_run_ns BIGINT NOT NULL,
	off_unplanned_ns BIGINT NOT NULL,
	off_setup_ns BIGINT NOT NULL,
	off_planned_ns BIGINT NOT NULL,
	off_unknown_ns BIGINT NOT NULL,
	planned_run_ns BIGINT NOT NULL,
	planned_unplanned_ns BIGINT NOT NULL,
	planned_setup_ns BIGINT NOT NULL,
	planned_planned_ns BIGINT NOT NULL,
	planned_unknown_ns BIGINT NOT NULL,
	shift_run_ns BIGINT NOT NULL,
	shift_unplanned_ns BIGINT NOT NULL,
	shift_setup_ns BIGINT NOT NULL,
	shift_planned_ns BIGINT NOT NULL,
	shift_unknown_ns BIGINT NOT NULL,
	off_idle_good BIGINT NOT NULL,
	off_idle_reject BIGINT NOT NULL,
	off_idle_rework BIGINT NOT NULL,
	off_run_good BIGINT NOT NULL,
	off_run_reject BIGINT NOT NULL,
	off_run_rework BIGINT NOT NULL,
	planned_idle_good BIGINT NOT NULL,
	planned_idle_reject BIGINT NOT NULL,
	planned_idle_rework BIGINT NOT NULL,
	planned_run_good BIGINT NOT NULL,
	planned_run_reject BIGINT NOT NULL,
	planned_run_rework BIGINT NOT NULL,
	shift_good BIGINT NOT NULL,
	shift_reject BIGINT NOT NULL,
	shift_rework BIGINT NOT NULL,
	off_idle_good_ideal_ns BIGINT NOT NULL,
	off_idle_reject_ideal_ns BIGINT NOT NULL,
	off_idle_rework_ideal_ns BIGINT NOT NULL,
	off_run_good_ideal_ns BIGINT NOT NULL,
	off_run_reject_ideal_ns BIGINT NOT NULL,
	off_run_rework_ideal_ns BIGINT NOT NULL,
	planned_idle_good_ideal_ns BIGINT NOT NULL,
	planned_idle_reject_ideal_ns BIGINT NOT NULL,
	planned_idle_rework_ideal_ns BIGINT NOT NULL,
	planned_run_good_ideal_ns BIGINT NOT NULL,
	planned_run_reject_ideal_ns BIGINT NOT NULL,
	planned_run_rework_ideal_ns BIGINT NOT NULL,
	shift_good_ideal_ns BIGINT NOT NULL,
	shift_reject_ideal_ns BIGINT NOT NULL,
	shift_rework_ideal_ns BIGINT NOT NULL,
	off_idle_no_ideal BIGINT NOT NULL,
	off_run_no_ideal BIGINT NOT NULL,
	planned_idle_no_ideal BIGINT NOT NULL,
	planned_run_no_ideal BIGINT NOT NULL,
	shift_no_ideal BIGINT NOT NULL,
	counter_rollover BIGINT NOT NULL,
	counter_reset BIGINT NOT NULL,
	counter_backstep BIGINT NOT NULL,
	counter_anomaly BIGINT NOT NULL,
	PRIMARY KEY (machine, start_ns, product, revision)
)

-- oee_hour: table
CREATE TABLE plant.oee_hour (
	machine NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	start_ns BIGINT NOT NULL,
	product NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	start DATETIME2(6) NOT NULL,
	minutes BIGINT NOT NULL,
	revision BIGINT NOT NULL,
	known_from_ns BIGINT NOT NULL,
	off_run_ns BIGINT NOT NULL,
	off_unplanned_ns BIGINT NOT NULL,
	off_setup_ns BIGINT NOT NULL,
	off_planned_ns BIGINT NOT NULL,
	off_unknown_ns BIGINT NOT NULL,
	planned_run_ns BIGINT NOT NULL,
	planned_unplanned_ns BIGINT NOT NULL,
	planned_setup_ns BIGINT NOT NULL,
	planned_planned_ns BIGINT NOT NULL,
	planned_unknown_ns BIGINT NOT NULL,
	shift_run_ns BIGINT NOT NULL,
	shift_unplanned_ns BIGINT NOT NULL,
	shift_setup_ns BIGINT NOT NULL,
	shift_planned_ns BIGINT NOT NULL,
	shift_unknown_ns BIGINT NOT NULL,
	off_idle_good BIGINT NOT NULL,
	off_idle_reject BIGINT NOT NULL,
	off_idle_rework BIGINT NOT NULL,
	off_run_good BIGINT NOT NULL,
	off_run_reject BIGINT NOT NULL,
	off_run_rework BIGINT NOT NULL,
	planned_idle_good BIGINT NOT NULL,
	planned_idle_reject BIGINT NOT NULL,
	planned_idle_rework BIGINT NOT NULL,
	planned_run_good BIGINT NOT NULL,
	planned_run_reject BIGINT NOT NULL,
	planned_run_rework BIGINT NOT NULL,
	shift_good BIGINT NOT NULL,
	shift_reject BIGINT NOT NULL,
	shift_rework BIGINT NOT NULL,
	off_idle_good_ideal_ns BIGINT NOT NULL,
	off_idle_reject_ideal_ns BIGINT NOT NULL,
	off_idle_rework_ideal_ns BIGINT NOT NULL,
	off_run_good_ideal_ns BIGINT NOT NULL,
	off_run_reject_ideal_ns BIGINT NOT NULL,
	off_run_rework_ideal_ns BIGINT NOT NULL,
	planned_idle_good_ideal_ns BIGINT NOT NULL,
	planned_idle_reject_ideal_ns BIGINT NOT NULL,
	planned_idle_rework_ideal_ns BIGINT NOT NULL,
	planned_run_good_ideal_ns BIGINT NOT NULL,
	planned_run_reject_ideal_ns BIGINT NOT NULL,
	planned_run_rework_ideal_ns BIGINT NOT NULL,
	shift_good_ideal_ns BIGINT NOT NULL,
	shift_reject_ideal_ns BIGINT NOT NULL,
	shift_rework_ideal_ns BIGINT NOT NULL,
	off_idle_no_ideal BIGINT NOT NULL,
	off_run_no_ideal BIGINT NOT NULL,
	planned_idle_no_ideal BIGINT NOT NULL,
	planned_run_no_ideal BIGINT NOT NULL,
	shift_no_ideal BIGINT NOT NULL,
	counter_rollover BIGINT NOT NULL,
	counter_reset BIGINT NOT NULL,
	counter_backstep BIGINT NOT NULL,
	counter_anomaly BIGINT NOT NULL,
	PRIMARY KEY (machine, start_ns, product)
)

-- oee_shift: table
CREATE TABLE plant.oee_shift (
	machine NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	start_ns BIGINT NOT NULL,
	name NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	product NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	end_ns BIGINT NOT NULL,
	start DATETIME2(6) NOT NULL,
	[end] DATETIME2(6) NOT NULL,
	minutes BIGINT NOT NULL,
	revision BIGINT NOT NULL,
	known_from_ns BIGINT NOT NULL,
	off_run_ns BIGINT NOT NULL,
	off_unplanned_ns BIGINT NOT NULL,
	off_setup_ns BIGINT NOT NULL,
	off_planned_ns BIGINT NOT NULL,
	off_unknown_ns BIGINT NOT NULL,
	planned_run_ns BIGINT NOT NULL,
	planned_unplanned_ns BIGINT NOT NULL,
	planned_setup_ns BIGINT NOT NULL,
	planned_planned_ns BIGINT NOT NULL,
	planned_unknown_ns BIGINT NOT NULL,
	shift_run_ns BIGINT NOT NULL,
	shift_unplanned_ns BIGINT NOT NULL,
	shift_setup_ns BIGINT NOT NULL,
	shift_planned_ns BIGINT NOT NULL,
	shift_unknown_ns BIGINT NOT NULL,
	off_idle_good BIGINT NOT NULL,
	off_idle_reject BIGINT NOT NULL,
	off_idle_rework BIGINT NOT NULL,
	off_run_good BIGINT NOT NULL,
	off_run_reject BIGINT NOT NULL,
	off_run_rework BIGINT NOT NULL,
	planned_idle_good BIGINT NOT NULL,
	planned_idle_reject BIGINT NOT NULL,
	planned_idle_rework BIGINT NOT NULL,
	planned_run_good BIGINT NOT NULL,
	planned_run_reject BIGINT NOT NULL,
	planned_run_rework BIGINT NOT NULL,
	shift_good BIGINT NOT NULL,
	shift_reject BIGINT NOT NULL,
	shift_rework BIGINT NOT NULL,
	off_idle_good_ideal_ns BIGINT NOT NULL,
	off_idle_reject_ideal_ns BIGINT NOT NULL,
	off_idle_rework_ideal_ns BIGINT NOT NULL,
	off_run_good_ideal_ns BIGINT NOT NULL,
	off_run_reject_ideal_ns BIGINT NOT NULL,
	off_run_rework_ideal_ns BIGINT NOT NULL,
	planned_idle_good_ideal_ns BIGINT NOT NULL,
	planned_idle_reject_ideal_ns BIGINT NOT NULL,
	planned_idle_rework_ideal_ns BIGINT NOT NULL,
	planned_run_good_ideal_ns BIGINT NOT NULL,
	planned_run_reject_ideal_ns BIGINT NOT NULL,
	planned_run_rework_ideal_ns BIGINT NOT NULL,
	shift_good_ideal_ns BIGINT NOT NULL,
	shift_reject_ideal_ns BIGINT NOT NULL,
	shift_rework_ideal_ns BIGINT NOT NULL,
	off_idle_no_ideal BIGINT NOT NULL,
	off_run_no_ideal BIGINT NOT NULL,
	planned_idle_no_ideal BIGINT NOT NULL,
	planned_run_no_ideal BIGINT NOT NULL,
	shift_no_ideal BIGINT NOT NULL,
	counter_rollover BIGINT NOT NULL,
	counter_reset BIGINT NOT NULL,
	counter_backstep BIGINT NOT NULL,
	counter_anomaly BIGINT NOT NULL,
	PRIMARY KEY (machine, start_ns, name, product)
)

-- oee_shift_start: index
CREATE INDEX oee_shift_start ON plant.oee_shift (start_ns)

-- parked: table
CREATE TABLE plant.parked (
	topology NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	machine NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	id NVARCHAR(max) NOT NULL,
	position BIGINT NOT NULL,
	type NVARCHAR(max) NOT NULL,
	reason NVARCHAR(max) NOT NULL,
	PRIMARY KEY (topology, machine)
)

-- quarantine: table
CREATE TABLE plant.quarantine (
	id NVARCHAR(256) COLLATE Latin1_General_100_BIN2 NOT NULL,
	t_ns BIGINT NOT NULL,
	t DATETIME2(6) NOT NULL,
	source NVARCHAR(max) NOT NULL,
	place NVARCHAR(max) NOT NULL,
	reason NVARCHAR(max) NOT NULL,
	raw VARBINARY(max) NOT NULL,
	PRIMARY KEY (id)
)

-- quarantine_time: index
CREATE INDEX quarantine_time ON plant.quarantine (t_ns)

-- reason: table
CREATE TABLE plant.reason (
	said NVARCHAR(256) COLLATE Latin1_General_100_BIN2 NOT NULL,
	reason NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	t_ns BIGINT NOT NULL,
	n BIGINT NOT NULL,
	path NVARCHAR(max) NOT NULL,
	category NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	loss NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NULL,
	machines NVARCHAR(max) NOT NULL,
	lines NVARCHAR(max) NOT NULL,
	PRIMARY KEY (said, reason)
)

-- relation: table
CREATE TABLE plant.relation (
	machine NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	relation NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	other NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	PRIMARY KEY (machine, relation, other)
)

-- score_rollup: table
CREATE TABLE plant.score_rollup (
	machine NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	start_ns BIGINT NOT NULL,
	start DATETIME2(6) NOT NULL,
	n BIGINT NOT NULL,
	unusual BIGINT NOT NULL,
	max FLOAT NOT NULL,
	sum_e6 BIGINT NOT NULL,
	PRIMARY KEY (machine, start_ns)
)

-- shift: table
CREATE TABLE plant.shift (
	machine NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	start_ns BIGINT NOT NULL,
	name NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	end_ns BIGINT NOT NULL,
	start DATETIME2(6) NOT NULL,
	[end] DATETIME2(6) NOT NULL,
	PRIMARY KEY (machine, start_ns, name)
)

-- signal_clock: table
CREATE TABLE plant.signal_clock (
	machine NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	signal NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	clock NVARCHAR(256) COLLATE Latin1_General_100_BIN2 NOT NULL,
	t_ns BIGINT NOT NULL,
	t DATETIME2(6) NOT NULL,
	seq BIGINT NOT NULL,
	value FLOAT NULL,
	text NVARCHAR(max) NULL,
	status BIGINT NOT NULL,
	position BIGINT NOT NULL,
	PRIMARY KEY (machine, signal, clock)
)

-- signal_rollup: table
CREATE TABLE plant.signal_rollup (
	machine NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	signal NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	resolution_s BIGINT NOT NULL,
	start_ns BIGINT NOT NULL,
	start DATETIME2(6) NOT NULL,
	n BIGINT NOT NULL,
	bad BIGINT NOT NULL,
	min FLOAT NULL,
	max FLOAT NULL,
	sum FLOAT NULL,
	first FLOAT NULL,
	last FLOAT NULL,
	first_t_ns BIGINT NULL,
	last_t_ns BIGINT NULL,
	revision BIGINT NOT NULL,
	known_from_ns BIGINT NOT NULL,
	PRIMARY KEY (machine, signal, resolution_s, start_ns)
)

-- signal_unit: table
CREATE TABLE plant.signal_unit (
	machine NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	signal NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	unit NVARCHAR(max) NOT NULL,
	PRIMARY KEY (machine, signal)
)

-- source_audit: table
CREATE TABLE plant.source_audit (
	id NVARCHAR(256) COLLATE Latin1_General_100_BIN2 NOT NULL,
	source NVARCHAR(max) NOT NULL,
	t_ns BIGINT NOT NULL,
	received BIGINT NOT NULL,
	appended BIGINT NOT NULL,
	duplicate BIGINT NOT NULL,
	quarantined BIGINT NOT NULL,
	PRIMARY KEY (id)
)

-- source_audit_time: index
CREATE INDEX source_audit_time ON plant.source_audit (t_ns)

-- state_interval: table
CREATE TABLE plant.state_interval (
	machine NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	start_ns BIGINT NOT NULL,
	start DATETIME2(6) NOT NULL,
	end_ns BIGINT NULL,
	[end] DATETIME2(6) NULL,
	state NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	category NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	why NVARCHAR(max) NOT NULL,
	PRIMARY KEY (machine, start_ns)
)

-- stop: table
CREATE TABLE plant.stop (
	id NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	machine NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	start_ns BIGINT NOT NULL,
	start DATETIME2(6) NOT NULL,
	end_ns BIGINT NULL,
	[end] DATETIME2(6) NULL,
	state NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	category NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	reason NVARCHAR(max) NOT NULL,
	[by] NVARCHAR(max) NOT NULL,
	revision BIGINT NOT NULL,
	gaps NVARCHAR(max) NOT NULL,
	edit NVARCHAR(max) NOT NULL,
	PRIMARY KEY (id)
)

-- stop_start: index
CREATE INDEX stop_start ON plant.stop (start_ns)

-- stop_time: index
CREATE INDEX stop_time ON plant.stop (machine, start_ns)

-- signal_now: view
CREATE VIEW [plant].[signal_now] AS SELECT plant.signal_clock.machine, plant.signal_clock.signal, plant.signal_clock.clock, plant.signal_clock.t_ns, plant.signal_clock.t, plant.signal_clock.value, plant.signal_clock.text, plant.signal_clock.status
FROM plant.signal_clock
WHERE plant.signal_clock.position = (SELECT max(other.position) AS max_1
FROM plant.signal_clock AS other
WHERE other.machine = plant.signal_clock.machine AND other.signal = plant.signal_clock.signal AND other.t_ns >= (SELECT max(any_clock.t_ns) AS max_2
FROM plant.signal_clock AS any_clock
WHERE any_clock.machine = other.machine AND any_clock.signal = other.signal) - 300000000000)

-- asset_data: view
CREATE VIEW [plant].[asset_data] AS SELECT plant.machine.machine AS [MachineID], max(CASE WHEN (plant.signal_now.signal = N'MachineTemp' AND plant.signal_now.status < 2147483648) THEN plant.signal_now.value END) AS [MachineTemp], max(CASE WHEN (plant.signal_now.signal = N'CO2Level' AND plant.signal_now.status < 2147483648) THEN plant.signal_now.value END) AS [CO2Level], max(CASE WHEN (plant.signal_now.signal = N'EnergyConsumed' AND plant.signal_now.status < 2147483648) THEN plant.signal_now.value END) AS [EnergyConsumed], max(CASE WHEN (plant.signal_now.signal = N'EnvTemp' AND plant.signal_now.status < 2147483648) THEN plant.signal_now.value END) AS [EnvTemp], max(CASE WHEN (plant.signal_now.signal = N'Humidity' AND plant.signal_now.status < 2147483648) THEN plant.signal_now.value END) AS [Humidity], max(CASE WHEN (plant.signal_now.signal = N'PowerPeak' AND plant.signal_now.status < 2147483648) THEN plant.signal_now.value END) AS [PowerPeak]
FROM plant.machine LEFT OUTER JOIN plant.signal_now ON plant.signal_now.machine = plant.machine.machine GROUP BY plant.machine.machine
