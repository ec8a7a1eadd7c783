-- A record whose credential in force names another DID than its learner's is one to be
-- issued again.
CREATE OR REPLACE VIEW clrnode.analyst_records AS SELECT
	key                                               AS learner,
	doc->>'publisher'                                 AS publisher,
	(doc->>'assertions')::integer                     AS assertions,
	(doc->>'conflicts')::integer                      AS conflicts,
	doc->>'fingerprint' <> coalesce(doc->>'issued', '')
		OR doc ? 'credential' AND NOT doc ? 'revoked'
			AND coalesce(doc->>'whom', '') <> coalesce(doc->>'issuedTo', '') AS changed,
	doc->>'credential'                                AS credential,
	(doc->>'version')::integer                        AS version,
	(doc->>'issuedAt')::timestamptz                   AS issued,
	left(doc->>'issuedAt', 10)                        AS issued_on,
	coalesce((doc->>'revoked')::boolean, false)       AS revoked
FROM clrnode.records;
COMMENT ON COLUMN clrnode.analyst_records.changed IS 'Says something else now than the credential that was issued last, or of another DID, or none was issued';
