-- However a user's row goes (the service's own statement, a mailbox that was connected while it ran, a hand at psql), a
-- live mailbox left without its owner keeps no secret: the envelope moves to erasures with the coordinates it was sealed
-- under, since without the user's id nobody could open it any more, not even to revoke the grant at the provider.
-- The same rules as src/db/erasure.ts: a row that waits already is joined, and a poorer envelope replaces no richer one.
CREATE FUNCTION gatepost_let_go_of_mailbox() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  held record;
BEGIN
  SELECT t.oauth_token_id, t.access_token_txt, t.refresh_token_txt INTO held
  FROM oauth_tokens t WHERE t.user_mail_account_id = OLD.user_mail_account_id FOR UPDATE;
  IF FOUND AND coalesce(held.refresh_token_txt, held.access_token_txt) IS NOT NULL THEN
    INSERT INTO erasures AS e (kind_cd, provider_cd, provider_subject_txt, sealed_txt, sealed_as_txt, due_at_utc)
    VALUES ('grant', OLD.provider_cd, OLD.provider_subject_txt, coalesce(held.refresh_token_txt, held.access_token_txt),
      jsonb_build_array(
        CASE WHEN held.refresh_token_txt IS NOT NULL THEN 'oauth_tokens.refresh_token_txt' ELSE 'oauth_tokens.access_token_txt' END,
        OLD.user_mail_account_id::text, OLD.user_id::text)::text,
      now())
    ON CONFLICT (kind_cd, provider_cd, provider_subject_txt) DO UPDATE SET
      sealed_txt = CASE WHEN held.refresh_token_txt IS NULL AND e.sealed_as_txt NOT LIKE '%access_token%' THEN e.sealed_txt ELSE excluded.sealed_txt END,
      sealed_as_txt = CASE WHEN held.refresh_token_txt IS NULL AND e.sealed_as_txt NOT LIKE '%access_token%' THEN e.sealed_as_txt ELSE excluded.sealed_as_txt END,
      due_at_utc = excluded.due_at_utc, version_nbr = e.version_nbr + 1, attempt_cnt = 0, modified_at_utc = now();
    UPDATE oauth_tokens SET access_token_txt = NULL, refresh_token_txt = NULL, expires_at_utc = NULL, refresh_token_expires_at_utc = NULL,
      refresh_due_at_utc = NULL, lease_id = NULL, lease_until_utc = NULL, version_nbr = version_nbr + 1, modified_at_utc = now()
    WHERE oauth_token_id = held.oauth_token_id;
  END IF;
  NEW.is_active_flg := false;
  NEW.status_cd := 'disconnected';
  NEW.status_changed_at_utc := now();
  NEW.granted_scopes_txt := '';
  NEW.keep_mail_flg := false;
  RETURN NEW;
END
$$;
--> statement-breakpoint
-- What the service itself lets go of is inactive already, and its envelope moved by the same statement.
CREATE TRIGGER user_mail_accounts_let_go BEFORE UPDATE OF user_id ON user_mail_accounts
  FOR EACH ROW WHEN (OLD.user_id IS NOT NULL AND NEW.user_id IS NULL AND NEW.is_active_flg)
  EXECUTE FUNCTION gatepost_let_go_of_mailbox();
