-- What an analyst reads. Times are exact; the columns ..._on are their days in UTC, as
-- texts like 2026-05-20, and have indices.

CREATE INDEX learners_of_publisher ON clrnode.learners ((doc->>'publisher'));
CREATE INDEX assertions_of_learner ON clrnode.assertions ((doc->>'learner'));
CREATE INDEX assertions_awarded_on ON clrnode.assertions ((left(doc->'content'->>'awarded', 10)));
CREATE INDEX records_issued_on ON clrnode.records ((doc->>'publisher'), (left(doc->>'issuedAt', 10)));
CREATE INDEX credentials_of_learner ON clrnode.credentials ((doc->>'learner'));
CREATE INDEX credentials_valid_on ON clrnode.credentials ((doc->>'publisher'), (left(doc->>'validFrom', 10)));
CREATE INDEX batches_sealed_on ON clrnode.batches ((doc->>'publisher'), (left(doc->>'sealed', 10)));

CREATE VIEW clrnode.analyst_learners AS SELECT
	key                                               AS learner,
	doc->>'publisher'                                 AS publisher,
	doc->>'given'                                     AS given,
	doc->>'middle'                                    AS middle,
	doc->>'family'                                    AS family,
	doc->>'preferredGiven'                            AS preferred_given,
	doc->>'preferredFamily'                           AS preferred_family,
	doc->>'username'                                  AS username,
	doc->>'studentNumber'                             AS student_number,
	doc->>'email'                                     AS email,
	doc->>'did'                                       AS did,
	doc->>'standing'                                  AS standing,
	nullif(doc->>'standingSince', '0001-01-01T00:00:00Z')::timestamptz AS standing_since,
	doc->>'mergedInto'                                AS merged_into,
	(doc->>'created')::timestamptz                    AS created,
	(doc->>'updated')::timestamptz                    AS updated
FROM clrnode.learners;

CREATE VIEW clrnode.analyst_assertions AS SELECT
	a.doc->>'learner'                                 AS learner,
	l.doc->>'publisher'                               AS publisher,
	a.doc->>'key'                                     AS assertion,
	a.doc->>'source'                                  AS source,
	a.doc->>'kind'                                    AS kind,
	a.doc->'content'->'achievement'->>'type'          AS type,
	a.doc->'content'->'achievement'->>'name'          AS name,
	a.doc->'content'->'achievement'->>'humanCode'     AS code,
	a.doc->'content'->>'term'                         AS term,
	(SELECT r.value->>'value' FROM jsonb_array_elements(a.doc->'content'->'results') AS r WHERE r.value->>'key' IN ('letter', 'text') LIMIT 1) AS grade,
	(SELECT r.value->>'value' FROM jsonb_array_elements(a.doc->'content'->'results') AS r WHERE r.value->>'key' = 'score' LIMIT 1) AS score,
	(a.doc->'content'->>'creditsEarned')::numeric     AS credits_earned,
	left(a.doc->'content'->>'awarded', 10)            AS awarded_on,
	NOT (a.doc ? 'withdrawn' OR a.doc ? 'revoked')    AS in_force,
	(a.doc->>'withdrawn')::timestamptz                AS withdrawn,
	a.doc->>'revoked'                                 AS revoked_reason,
	(a.doc->>'updated')::timestamptz                  AS updated
FROM clrnode.assertions AS a JOIN clrnode.learners AS l ON l.key = a.doc->>'learner';

CREATE VIEW clrnode.analyst_records AS SELECT
	key                                               AS learner,
	doc->>'publisher'                                 AS publisher,
	(doc->>'assertions')::integer                     AS assertions,
	(doc->>'conflicts')::integer                      AS conflicts,
	doc->>'fingerprint' <> coalesce(doc->>'issued', '') AS changed,
	doc->>'credential'                                AS credential,
	(doc->>'version')::integer                        AS version,
	(doc->>'issuedAt')::timestamptz                   AS issued,
	left(doc->>'issuedAt', 10)                        AS issued_on,
	coalesce((doc->>'revoked')::boolean, false)       AS revoked
FROM clrnode.records;

CREATE VIEW clrnode.analyst_credentials AS SELECT
	key                                               AS credential,
	doc->>'url'                                       AS url,
	doc->>'publisher'                                 AS publisher,
	doc->>'learner'                                   AS learner,
	doc->>'kind'                                      AS kind,
	doc->>'assertion'                                 AS assertion,
	(doc->>'version')::integer                        AS version,
	(doc->>'validFrom')::timestamptz                  AS valid_from,
	left(doc->>'validFrom', 10)                       AS valid_on,
	coalesce((doc->>'hosted')::boolean, false)        AS hosted,
	doc->>'list'                                      AS status_list,
	(doc->>'index')::integer                          AS status_index,
	(doc->'revoked'->>'at')::timestamptz              AS revoked,
	doc->'revoked'->>'reason'                         AS revoked_reason
FROM clrnode.credentials;

CREATE VIEW clrnode.analyst_batches AS SELECT
	doc->>'publisher'                                 AS publisher,
	(doc->>'number')::integer                         AS number,
	(doc->>'records')::integer                        AS records,
	(doc->>'sealed')::timestamptz                     AS sealed,
	left(doc->>'sealed', 10)                          AS sealed_on,
	doc->'state'->>'phase'                            AS phase,
	doc->>'root'                                      AS root,
	(doc->'chain'->>'id')::numeric                    AS chain,
	(doc->'chain'->>'local')::boolean                 AS local_chain,
	doc->'state'->>'txHash'                           AS transaction,
	(doc->'state'->>'blockNumber')::numeric           AS block,
	nullif(doc->'state'->>'blockTime', '0001-01-01T00:00:00Z')::timestamptz AS block_time,
	doc->>'trouble'                                   AS trouble
FROM clrnode.batches;

COMMENT ON VIEW clrnode.analyst_learners IS 'Persons of each publisher, as their sources describe them now. Personal data.';
COMMENT ON COLUMN clrnode.analyst_learners.learner IS 'Id of the learner; the other views have it too';
COMMENT ON COLUMN clrnode.analyst_learners.publisher IS 'Id of the publisher; clrnode publishers tells their names';
COMMENT ON COLUMN clrnode.analyst_learners.given IS 'Official given name';
COMMENT ON COLUMN clrnode.analyst_learners.middle IS 'Official middle name';
COMMENT ON COLUMN clrnode.analyst_learners.family IS 'Official family name';
COMMENT ON COLUMN clrnode.analyst_learners.preferred_given IS 'Given name that the learner goes by';
COMMENT ON COLUMN clrnode.analyst_learners.preferred_family IS 'Family name that the learner goes by';
COMMENT ON COLUMN clrnode.analyst_learners.username IS 'Log-in name at the source';
COMMENT ON COLUMN clrnode.analyst_learners.student_number IS 'Student number';
COMMENT ON COLUMN clrnode.analyst_learners.email IS 'E-mail address';
COMMENT ON COLUMN clrnode.analyst_learners.did IS 'DID under which records are issued, once there is one';
COMMENT ON COLUMN clrnode.analyst_learners.standing IS 'active, left, graduated, or merged: found to be another learner';
COMMENT ON COLUMN clrnode.analyst_learners.standing_since IS 'When the standing last changed';
COMMENT ON COLUMN clrnode.analyst_learners.merged_into IS 'The learner whom a merged one was found to be';
COMMENT ON COLUMN clrnode.analyst_learners.created IS 'When the learner first came in';
COMMENT ON COLUMN clrnode.analyst_learners.updated IS 'When anything of this last changed';

COMMENT ON VIEW clrnode.analyst_assertions IS 'What learners have earned, and who says so: courses, examinations, degrees, badges. Nothing is ever deleted; see in_force.';
COMMENT ON COLUMN clrnode.analyst_assertions.learner IS 'Id of the learner';
COMMENT ON COLUMN clrnode.analyst_assertions.publisher IS 'Id of the learner''s publisher';
COMMENT ON COLUMN clrnode.analyst_assertions.assertion IS 'Unique for the learner: the source and its own id';
COMMENT ON COLUMN clrnode.analyst_assertions.source IS 'System code of the source that says it';
COMMENT ON COLUMN clrnode.analyst_assertions.kind IS 'course: a final grade; examination: a result below a course; achievement: anything else';
COMMENT ON COLUMN clrnode.analyst_assertions.type IS 'Achievement type of Open Badges 3.0, such as Course or BachelorDegree';
COMMENT ON COLUMN clrnode.analyst_assertions.name IS 'Name of the achievement';
COMMENT ON COLUMN clrnode.analyst_assertions.code IS 'The publisher''s code of it, such as a course number';
COMMENT ON COLUMN clrnode.analyst_assertions.term IS 'Term, in the publisher''s words';
COMMENT ON COLUMN clrnode.analyst_assertions.grade IS 'Letter or words of the result';
COMMENT ON COLUMN clrnode.analyst_assertions.score IS 'Number of the result, as the source wrote it';
COMMENT ON COLUMN clrnode.analyst_assertions.credits_earned IS 'Credits earned';
COMMENT ON COLUMN clrnode.analyst_assertions.awarded_on IS 'Day on which it was awarded, like 2026-05-20';
COMMENT ON COLUMN clrnode.analyst_assertions.in_force IS 'Belongs into the record: neither withdrawn nor revoked';
COMMENT ON COLUMN clrnode.analyst_assertions.withdrawn IS 'When its source took it back';
COMMENT ON COLUMN clrnode.analyst_assertions.revoked_reason IS 'Why the publisher took it back';
COMMENT ON COLUMN clrnode.analyst_assertions.updated IS 'When it last changed';

COMMENT ON VIEW clrnode.analyst_records IS 'One record per learner of whom something was asserted: what it holds now, and what was issued last.';
COMMENT ON COLUMN clrnode.analyst_records.learner IS 'Id of the learner';
COMMENT ON COLUMN clrnode.analyst_records.publisher IS 'Id of the publisher';
COMMENT ON COLUMN clrnode.analyst_records.assertions IS 'How many assertions it holds now';
COMMENT ON COLUMN clrnode.analyst_records.conflicts IS 'Open contradictions; with any, it isn''t issued';
COMMENT ON COLUMN clrnode.analyst_records.changed IS 'Says something else now than the credential that was issued last, or none was';
COMMENT ON COLUMN clrnode.analyst_records.credential IS 'The credential that was issued last, see analyst_credentials';
COMMENT ON COLUMN clrnode.analyst_records.version IS 'Its version';
COMMENT ON COLUMN clrnode.analyst_records.issued IS 'When that was issued';
COMMENT ON COLUMN clrnode.analyst_records.issued_on IS 'The day of that, like 2026-05-20';
COMMENT ON COLUMN clrnode.analyst_records.revoked IS 'That credential was revoked';

COMMENT ON VIEW clrnode.analyst_credentials IS 'What was signed: records, and the credentials embedded in them. The signed bytes are in credential_bytes.';
COMMENT ON COLUMN clrnode.analyst_credentials.credential IS 'Id, the last part of the URL';
COMMENT ON COLUMN clrnode.analyst_credentials.url IS 'The id in the signed bytes';
COMMENT ON COLUMN clrnode.analyst_credentials.publisher IS 'Id of the publisher';
COMMENT ON COLUMN clrnode.analyst_credentials.learner IS 'Id of the learner';
COMMENT ON COLUMN clrnode.analyst_credentials.kind IS 'record, or assertion: embedded in a record';
COMMENT ON COLUMN clrnode.analyst_credentials.assertion IS 'The assertion that an embedded one states';
COMMENT ON COLUMN clrnode.analyst_credentials.version IS 'Newest version, from 1; 0: planned, not signed yet';
COMMENT ON COLUMN clrnode.analyst_credentials.valid_from IS 'When the newest version began';
COMMENT ON COLUMN clrnode.analyst_credentials.valid_on IS 'The day of that, like 2026-05-20';
COMMENT ON COLUMN clrnode.analyst_credentials.hosted IS 'Verified by a hosted copy too';
COMMENT ON COLUMN clrnode.analyst_credentials.status_list IS 'Status list that says whether it is revoked';
COMMENT ON COLUMN clrnode.analyst_credentials.status_index IS 'Place in that list';
COMMENT ON COLUMN clrnode.analyst_credentials.revoked IS 'When it was revoked';
COMMENT ON COLUMN clrnode.analyst_credentials.revoked_reason IS 'Why it was revoked';

COMMENT ON VIEW clrnode.analyst_batches IS 'What was anchored on a chain together.';
COMMENT ON COLUMN clrnode.analyst_batches.publisher IS 'Id of the publisher';
COMMENT ON COLUMN clrnode.analyst_batches.number IS 'Number of the batch, from 1 for each publisher';
COMMENT ON COLUMN clrnode.analyst_batches.records IS 'How many credentials are in it';
COMMENT ON COLUMN clrnode.analyst_batches.sealed IS 'When it was put together';
COMMENT ON COLUMN clrnode.analyst_batches.sealed_on IS 'The day of that, like 2026-05-20';
COMMENT ON COLUMN clrnode.analyst_batches.phase IS 'unknown, submitted, mined, confirmed, or final: it stays on the chain';
COMMENT ON COLUMN clrnode.analyst_batches.root IS 'What stands on the chain: the root of the tree of salted digests';
COMMENT ON COLUMN clrnode.analyst_batches.chain IS 'Chain id (EIP-155)';
COMMENT ON COLUMN clrnode.analyst_batches.local_chain IS 'The chain is the node''s own, and proves nothing to others';
COMMENT ON COLUMN clrnode.analyst_batches.transaction IS 'Transaction that anchored it';
COMMENT ON COLUMN clrnode.analyst_batches.block IS 'Block that holds the transaction';
COMMENT ON COLUMN clrnode.analyst_batches.block_time IS 'Time of that block';
COMMENT ON COLUMN clrnode.analyst_batches.trouble IS 'Why it doesn''t move on, if it doesn''t';
