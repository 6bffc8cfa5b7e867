-- The audit trail can be added to and, after 400 days, purged; after 90 days address and agent may be blanked. Nothing
-- else, under any role: the triggers fire in replica sessions too (ENABLE ALWAYS). Refusals are 42501.
CREATE FUNCTION gatepost_guard_audit_logs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND OLD.created_at_utc < now() - interval '400 days' THEN
    RETURN OLD;
  END IF;
  IF TG_OP = 'UPDATE' AND OLD.created_at_utc < now() - interval '90 days'
     AND NEW.ip_address_txt IS NULL AND NEW.user_agent_txt IS NULL
     AND (NEW.audit_log_id, NEW.action_cd, NEW.actor_user_id, NEW.subject_id_txt, NEW.outcome_cd, NEW.event_json, NEW.created_at_utc)
         IS NOT DISTINCT FROM
         (OLD.audit_log_id, OLD.action_cd, OLD.actor_user_id, OLD.subject_id_txt, OLD.outcome_cd, OLD.event_json, OLD.created_at_utc) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'audit_logs is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;
--> statement-breakpoint
CREATE TRIGGER audit_logs_rows_stay BEFORE UPDATE OR DELETE ON audit_logs
  FOR EACH ROW EXECUTE FUNCTION gatepost_guard_audit_logs();
--> statement-breakpoint
CREATE TRIGGER audit_logs_stays BEFORE TRUNCATE ON audit_logs
  FOR EACH STATEMENT EXECUTE FUNCTION gatepost_guard_audit_logs();
--> statement-breakpoint
ALTER TABLE audit_logs ENABLE ALWAYS TRIGGER audit_logs_rows_stay;
--> statement-breakpoint
ALTER TABLE audit_logs ENABLE ALWAYS TRIGGER audit_logs_stays;
