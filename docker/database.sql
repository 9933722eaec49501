-- The database of the read models and who may do what in it. Run at every start: passwords are those of the secrets' files.
-- The collation keeps every character that the name of a machine may have in an ordinary literal.
SET NOCOUNT ON;
IF DB_ID('tailrace') IS NULL CREATE DATABASE tailrace COLLATE Latin1_General_100_CI_AS_SC_UTF8;
GO
IF SUSER_ID('tailrace') IS NULL CREATE LOGIN tailrace WITH PASSWORD = '$(TAILRACE_PASSWORD)', DEFAULT_DATABASE = tailrace;
ELSE ALTER LOGIN tailrace WITH PASSWORD = '$(TAILRACE_PASSWORD)';
IF SUSER_ID('grafana') IS NULL CREATE LOGIN grafana WITH PASSWORD = '$(GRAFANA_PASSWORD)', DEFAULT_DATABASE = tailrace;
ELSE ALTER LOGIN grafana WITH PASSWORD = '$(GRAFANA_PASSWORD)';
GO
USE tailrace;
IF USER_ID('tailrace') IS NULL CREATE USER tailrace FOR LOGIN tailrace;
IF USER_ID('grafana') IS NULL CREATE USER grafana FOR LOGIN grafana;
ALTER ROLE db_owner ADD MEMBER tailrace;
-- Tailrace lets this role read its tables when it has made them.
IF DATABASE_PRINCIPAL_ID('tailrace_reader') IS NULL CREATE ROLE tailrace_reader;
ALTER ROLE tailrace_reader ADD MEMBER grafana;
GO
