/**
 * What an import does with `export_rows`, in this order. Each statement that locks rows does so in one order, against deadlocks: the
 * conversations first. Collation "C" compares bytes: fast, and equality is the same in every collation.
 */

export const TABLES = `
  -- The ordinary conversations of the export.
  CREATE TEMPORARY TABLE export_conversations (conversation_id text NOT NULL, is_new boolean NOT NULL) ON COMMIT DROP;
  CREATE TEMPORARY TABLE export_members (
    conversation_id text NOT NULL, client_id text NOT NULL, role text NOT NULL
  ) ON COMMIT DROP;
  -- What differs from conversation_members; without a role: the export has no such member.
  CREATE TEMPORARY TABLE export_changes (
    conversation_id text NOT NULL, client_id text NOT NULL, role text, held_role text
  ) ON COMMIT DROP;
  -- The registered conversations that the export does not name.
  CREATE TEMPORARY TABLE export_gone (conversation_id text NOT NULL) ON COMMIT DROP`;

/** $1: the names of the files. */
export const REJECT_REPEATED = `
  UPDATE export_rows SET reject = json_strip_nulls(json_build_object(
    'reason', format('repeats the %s of line %s of %s', what, first_line, ($1::text[])[first_file]),
    'conversation_id', conversation_id, 'client_id', client_id)
  )
  FROM (
    SELECT object, first_value(object) OVER same AS first_object,
      first_value(line) OVER same AS first_line, first_value(file) OVER same AS first_file
    FROM export_rows WHERE what <> 'member' AND reject IS NULL
    WINDOW same AS (PARTITION BY what, conversation_id COLLATE "C", client_id COLLATE "C" ORDER BY object)
  ) AS seen
  WHERE what <> 'member' AND seen.object = export_rows.object AND first_object < seen.object`;

/** $1: the app. */
export const TAKE_CONVERSATIONS = `
  INSERT INTO export_conversations
  SELECT conversation_id, NOT EXISTS (
    SELECT FROM conversations AS c WHERE c.app_id = $1 AND c.conversation_id = export_rows.conversation_id
  )
  FROM export_rows WHERE kind IN ('ordinary', 'unique') AND reject IS NULL`;

export const TAKE_MEMBERS = `
  INSERT INTO export_members
  SELECT c.conversation_id, m.client_id,
    CASE WHEN 'owner' IN (m.role, r.role) THEN 'owner' WHEN r.role = 'manager' THEN 'manager' ELSE 'member' END
  FROM export_rows AS c
  JOIN export_rows AS m ON m.what = 'member' AND m.object = c.object AND m.reject IS NULL
  LEFT JOIN export_rows AS r ON r.what = 'role' AND r.reject IS NULL
    AND r.conversation_id = c.conversation_id AND r.client_id = m.client_id
  WHERE c.what = 'conversation' AND c.reject IS NULL`;

/** $1: the app; $2: whether to look for those, too, that were registered before. */
export const REGISTER = `
  INSERT INTO conversations (app_id, conversation_id)
  SELECT $1, conversation_id COLLATE "C" AS id FROM export_conversations WHERE is_new OR $2 ORDER BY id
  ON CONFLICT DO NOTHING`;

/** Waits for deletions of conversations in progress, and lets none begin before the import ends. $1: the app. */
export const KEEP = `
  WITH kept AS (
    SELECT FROM conversations WHERE app_id = $1 AND conversation_id IN (SELECT conversation_id FROM export_conversations)
    ORDER BY conversation_id COLLATE "C" FOR KEY SHARE
  )
  SELECT (SELECT count(*) FROM kept) = (SELECT count(*) FROM export_conversations) AS all_kept`;

/** A rejected conversation with a readable id counts as named. $1: the app. */
export const FIND_GONE = `
  INSERT INTO export_gone
  SELECT conversation_id FROM conversations WHERE app_id = $1 AND NOT EXISTS (
    SELECT FROM export_rows AS e WHERE e.what = 'conversation' AND e.conversation_id = conversations.conversation_id
  )`;

/** $1: the app. */
export const COMPARE = `
  INSERT INTO export_changes
  SELECT conversation_id, client_id, wanted.role, held.role
  FROM export_members AS wanted FULL JOIN (
    SELECT conversation_id, client_id, role FROM conversation_members
    WHERE app_id = $1 AND conversation_id IN (SELECT conversation_id FROM export_conversations)
  ) AS held USING (conversation_id, client_id)
  WHERE wanted.role IS DISTINCT FROM held.role`;

/** An inserted row has no xmax. The backend may have written the same since the comparison. $1: the app. */
export const WRITE = `
  WITH written AS (
    INSERT INTO conversation_members AS m (app_id, conversation_id, client_id, role)
    SELECT $1, conversation_id, client_id, role FROM export_changes WHERE role IS NOT NULL
    ORDER BY conversation_id COLLATE "C", client_id COLLATE "C"
    ON CONFLICT (app_id, conversation_id, client_id) DO UPDATE SET role = EXCLUDED.role WHERE m.role <> EXCLUDED.role
    RETURNING xmax = 0 AS added
  )
  SELECT count(*) FILTER (WHERE added)::integer AS added, count(*) FILTER (WHERE NOT added)::integer AS changed FROM written`;

/** $1: the app. */
export const REMOVE_MEMBERS = `
  WITH locked AS (
    SELECT conversation_id, client_id
    FROM conversation_members AS m JOIN export_changes AS e USING (conversation_id, client_id)
    WHERE m.app_id = $1 AND e.role IS NULL
    ORDER BY conversation_id COLLATE "C", client_id COLLATE "C" FOR UPDATE OF m
  )
  DELETE FROM conversation_members AS m USING locked
  WHERE m.app_id = $1 AND m.conversation_id = locked.conversation_id AND m.client_id = locked.client_id`;

/** $1: the app. */
export const REMOVE_CONVERSATIONS = `
  WITH locked AS (
    SELECT conversation_id FROM conversations JOIN export_gone USING (conversation_id) WHERE app_id = $1
    ORDER BY conversation_id COLLATE "C" FOR UPDATE OF conversations
  )
  DELETE FROM conversations AS c USING locked WHERE c.app_id = $1 AND c.conversation_id = locked.conversation_id`;

/** What became of the rows. $1: the app. */
export const COUNT = `
  WITH
  conversations_of AS (
    SELECT count(*) FILTER (WHERE reject IS NULL AND kind = 'unique') AS "unique",
      count(*) FILTER (WHERE reject IS NULL AND kind = 'chat room') AS chat_rooms,
      count(*) FILTER (WHERE reject IS NULL AND kind = 'service') AS services,
      count(*) FILTER (WHERE reject IS NOT NULL) AS rejected_conversations,
      count(*) FILTER (WHERE kind = 'unknown') AS unknown,
      count(*) FILTER (WHERE reject IS NULL AND role = 'absent') AS absent_owners
    FROM export_rows WHERE what = 'conversation'
  ),
  taken AS (SELECT count(*) AS ordinary, count(*) FILTER (WHERE is_new) AS "new" FROM export_conversations),
  members_of AS (
    SELECT count(*) FILTER (WHERE m.reject IS NOT NULL) AS rejected_members,
      count(*) FILTER (WHERE m.reject IS NULL AND c.reject IS NOT NULL) AS members_of_rejected
    FROM export_rows AS m JOIN export_rows AS c ON c.what = 'conversation' AND c.object = m.object
    WHERE m.what = 'member' AND (m.reject IS NOT NULL OR c.reject IS NOT NULL)
  ),
  wanted AS (SELECT count(*) AS wanted_members FROM export_members),
  large AS (
    SELECT count(*) AS large FROM (SELECT FROM export_members GROUP BY conversation_id HAVING count(*) > 500) AS each
  ),
  roles_of AS (
    SELECT count(*) FILTER (WHERE r.reject IS NOT NULL) AS rejected_roles,
      count(*) FILTER (WHERE r.reject IS NULL AND m.client_id IS NOT NULL) AS used_roles,
      count(*) FILTER (WHERE r.reject IS NULL AND m.client_id IS NULL AND c.conversation_id IS NOT NULL) AS roles_of_others,
      count(*) FILTER (WHERE r.reject IS NULL AND c.conversation_id IS NULL) AS roles_elsewhere
    FROM export_rows AS r
    LEFT JOIN export_conversations AS c USING (conversation_id)
    LEFT JOIN export_members AS m USING (conversation_id, client_id)
    WHERE r.what = 'role'
  ),
  changes AS (
    SELECT count(*) FILTER (WHERE held_role IS NULL) AS added,
      count(*) FILTER (WHERE held_role IS NOT NULL AND role IS NOT NULL) AS changed,
      count(*) FILTER (WHERE role IS NULL) AS gone_members
    FROM export_changes
  ),
  gone AS (
    SELECT count(*) AS gone_conversations,
      coalesce(sum((SELECT count(*) FROM conversation_members AS m
        WHERE m.app_id = $1 AND m.conversation_id = export_gone.conversation_id)), 0) AS members_of_gone
    FROM export_gone
  )
  SELECT row_to_json(counts) AS counts FROM (
    SELECT * FROM conversations_of, taken, members_of, wanted, large, roles_of, changes, gone
  ) AS counts`;

export const REJECTED = `
  SELECT file, line, reject FROM export_rows WHERE reject IS NOT NULL ORDER BY file, line, object, ctid`;
