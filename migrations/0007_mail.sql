CREATE TABLE "email_attachments" (
	"email_id" uuid NOT NULL,
	"part_id_txt" text NOT NULL,
	"position_nbr" integer NOT NULL,
	"filename_txt" text NOT NULL,
	"content_type_txt" text NOT NULL,
	"size_bytes_nbr" bigint NOT NULL,
	"content_id_txt" text,
	"created_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	"modified_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "email_attachments_pk" PRIMARY KEY("email_id","part_id_txt")
);
--> statement-breakpoint
CREATE TABLE "emails" (
	"email_id" uuid PRIMARY KEY DEFAULT gatepost_uuid_v7() NOT NULL,
	"user_mail_account_id" uuid NOT NULL,
	"provider_message_id_txt" text NOT NULL,
	"provider_thread_id_txt" text NOT NULL,
	"message_id_txt" text,
	"in_reply_to_txt" text,
	"references_txt" text DEFAULT '' NOT NULL,
	"subject_txt" text NOT NULL,
	"from_json" jsonb,
	"to_json" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"cc_json" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"bcc_json" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"reply_to_json" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"snippet_txt" text DEFAULT '' NOT NULL,
	"sent_at_utc" timestamp with time zone NOT NULL,
	"size_bytes_nbr" bigint DEFAULT 0 NOT NULL,
	"label_ids_txt" text[] DEFAULT '{}' NOT NULL,
	"is_unread_flg" boolean DEFAULT false NOT NULL,
	"has_attachments_flg" boolean DEFAULT false NOT NULL,
	"text_txt" text,
	"html_txt" text,
	"search_tsv" "tsvector" NOT NULL,
	"head_txt" text DEFAULT '' NOT NULL,
	"walk_id" uuid,
	"created_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	"modified_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "emails_message_uq" UNIQUE("user_mail_account_id","provider_message_id_txt")
);
--> statement-breakpoint
CREATE TABLE "mail_labels" (
	"user_mail_account_id" uuid NOT NULL,
	"provider_label_id_txt" text NOT NULL,
	"name_txt" text NOT NULL,
	"is_system_flg" boolean DEFAULT false NOT NULL,
	"created_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	"modified_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "mail_labels_pk" PRIMARY KEY("user_mail_account_id","provider_label_id_txt")
);
--> statement-breakpoint
CREATE TABLE "mail_skips" (
	"user_mail_account_id" uuid NOT NULL,
	"provider_message_id_txt" text NOT NULL,
	"error_cd" text NOT NULL,
	"attempt_cnt" integer DEFAULT 1 NOT NULL,
	"created_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	"modified_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "mail_skips_pk" PRIMARY KEY("user_mail_account_id","provider_message_id_txt")
);
--> statement-breakpoint
CREATE TABLE "mail_syncs" (
	"user_mail_account_id" uuid PRIMARY KEY NOT NULL,
	"lease_id" uuid,
	"lease_until_utc" timestamp with time zone,
	"lease_kind_cd" text,
	"is_awaited_flg" boolean DEFAULT false NOT NULL,
	"failure_cnt" integer DEFAULT 0 NOT NULL,
	"last_error_cd" text,
	"interval_seconds_nbr" integer DEFAULT 0 NOT NULL,
	"labels_read_at_utc" timestamp with time zone,
	"walk_kind_cd" text,
	"walk_state_cd" text DEFAULT 'none' NOT NULL,
	"walk_id" uuid,
	"walk_cursor_txt" text,
	"walk_page_token_txt" text,
	"walk_phase_cd" text,
	"walk_since_utc" timestamp with time zone,
	"wanted_cnt" integer,
	"counted_cnt" integer DEFAULT 0 NOT NULL,
	"total_cnt" integer,
	"walk_started_at_utc" timestamp with time zone,
	"walk_finished_at_utc" timestamp with time zone,
	"relist_cnt" integer DEFAULT 0 NOT NULL,
	"relisted_at_utc" timestamp with time zone,
	"relist_added_cnt" integer DEFAULT 0 NOT NULL,
	"relist_deleted_cnt" integer DEFAULT 0 NOT NULL,
	"wait_until_utc" timestamp with time zone,
	"units_window_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	"units_used_cnt" integer[] DEFAULT '{}' NOT NULL,
	"created_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	"modified_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "mail_syncs_walk_kind_ck" CHECK ("mail_syncs"."walk_kind_cd" IN ('newest', 'full', 'relist')),
	CONSTRAINT "mail_syncs_walk_state_ck" CHECK ("mail_syncs"."walk_state_cd" IN ('none', 'queued', 'running', 'done', 'failed')),
	CONSTRAINT "mail_syncs_walk_phase_ck" CHECK ("mail_syncs"."walk_phase_cd" IN ('list', 'sweep')),
	CONSTRAINT "mail_syncs_lease_kind_ck" CHECK ("mail_syncs"."lease_kind_cd" IN ('on_demand', 'background', 'back_fill'))
);
--> statement-breakpoint
CREATE TABLE "outbox" (
	"outbox_id" uuid PRIMARY KEY DEFAULT gatepost_uuid_v7() NOT NULL,
	"user_mail_account_id" uuid NOT NULL,
	"user_id" uuid NOT NULL,
	"api_key_id" uuid,
	"idempotency_key_txt" text,
	"body_hash_txt" text NOT NULL,
	"message_id_txt" text NOT NULL,
	"provider_thread_id_txt" text,
	"reply_to_email_id" uuid,
	"draft_json" jsonb,
	"mime_txt" text,
	"status_cd" text DEFAULT 'queued' NOT NULL,
	"attempt_cnt" integer DEFAULT 0 NOT NULL,
	"due_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	"lease_id" uuid,
	"lease_until_utc" timestamp with time zone,
	"first_attempt_at_utc" timestamp with time zone,
	"provider_message_id_txt" text,
	"sent_at_utc" timestamp with time zone,
	"last_error_cd" text,
	"created_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	"modified_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "outbox_status_ck" CHECK ("outbox"."status_cd" IN ('queued', 'sending', 'unconfirmed', 'sent', 'failed'))
);
--> statement-breakpoint
ALTER TABLE "provider_states" ADD COLUMN "units_window_at_utc" timestamp with time zone DEFAULT now() NOT NULL;--> statement-breakpoint
ALTER TABLE "provider_states" ADD COLUMN "units_used_cnt" integer[] DEFAULT '{}' NOT NULL;--> statement-breakpoint
ALTER TABLE "user_mail_accounts" ADD COLUMN "sync_due_at_utc" timestamp with time zone DEFAULT now();--> statement-breakpoint
ALTER TABLE "user_mail_accounts" ADD COLUMN "mail_since_utc" timestamp with time zone DEFAULT '-infinity' NOT NULL;--> statement-breakpoint
ALTER TABLE "user_mail_accounts" ADD COLUMN "purge_mail_flg" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "email_attachments" ADD CONSTRAINT "email_attachments_email_id_emails_email_id_fk" FOREIGN KEY ("email_id") REFERENCES "public"."emails"("email_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "emails" ADD CONSTRAINT "emails_user_mail_account_id_user_mail_accounts_user_mail_account_id_fk" FOREIGN KEY ("user_mail_account_id") REFERENCES "public"."user_mail_accounts"("user_mail_account_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "mail_labels" ADD CONSTRAINT "mail_labels_user_mail_account_id_user_mail_accounts_user_mail_account_id_fk" FOREIGN KEY ("user_mail_account_id") REFERENCES "public"."user_mail_accounts"("user_mail_account_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "mail_skips" ADD CONSTRAINT "mail_skips_user_mail_account_id_user_mail_accounts_user_mail_account_id_fk" FOREIGN KEY ("user_mail_account_id") REFERENCES "public"."user_mail_accounts"("user_mail_account_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "mail_syncs" ADD CONSTRAINT "mail_syncs_user_mail_account_id_user_mail_accounts_user_mail_account_id_fk" FOREIGN KEY ("user_mail_account_id") REFERENCES "public"."user_mail_accounts"("user_mail_account_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "outbox" ADD CONSTRAINT "outbox_user_mail_account_id_user_mail_accounts_user_mail_account_id_fk" FOREIGN KEY ("user_mail_account_id") REFERENCES "public"."user_mail_accounts"("user_mail_account_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "outbox" ADD CONSTRAINT "outbox_user_id_users_user_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("user_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "emails_sent_ix" ON "emails" USING btree ("user_mail_account_id","sent_at_utc" DESC NULLS FIRST,"email_id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "emails_thread_ix" ON "emails" USING btree ("user_mail_account_id","provider_thread_id_txt","sent_at_utc" DESC NULLS FIRST,"email_id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "emails_search_ix" ON "emails" USING gin ("search_tsv");--> statement-breakpoint
CREATE INDEX "outbox_due_ix" ON "outbox" USING btree ("due_at_utc") WHERE "outbox"."status_cd" IN ('queued', 'sending', 'unconfirmed');--> statement-breakpoint
CREATE INDEX "outbox_created_ix" ON "outbox" USING btree ("created_at_utc");--> statement-breakpoint
CREATE INDEX "outbox_mailbox_ix" ON "outbox" USING btree ("user_mail_account_id");--> statement-breakpoint
CREATE INDEX "outbox_waiting_ix" ON "outbox" USING btree ("user_mail_account_id") WHERE "outbox"."status_cd" IN ('queued', 'sending', 'unconfirmed');--> statement-breakpoint
CREATE INDEX "outbox_user_ix" ON "outbox" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "outbox_failed_ix" ON "outbox" USING btree ("user_id","created_at_utc") WHERE "outbox"."status_cd" = 'failed' AND "outbox"."api_key_id" IS NULL;--> statement-breakpoint
CREATE INDEX "outbox_unsent_ix" ON "outbox" USING btree ("modified_at_utc") WHERE "outbox"."status_cd" = 'failed' AND "outbox"."draft_json" IS NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX "outbox_idempotency_uq" ON "outbox" USING btree ("user_id",coalesce("api_key_id", "user_id"),"idempotency_key_txt") WHERE "outbox"."idempotency_key_txt" IS NOT NULL;--> statement-breakpoint
CREATE INDEX "user_mail_accounts_sync_due_ix" ON "user_mail_accounts" USING btree ("sync_due_at_utc") WHERE "user_mail_accounts"."sync_due_at_utc" IS NOT NULL;--> statement-breakpoint
CREATE INDEX "user_mail_accounts_purge_mail_ix" ON "user_mail_accounts" USING btree ("user_mail_account_id") WHERE "user_mail_accounts"."purge_mail_flg" OR "user_mail_accounts"."user_id" IS NULL;--> statement-breakpoint
-- Nothing of a mailbox that is disconnected already may show up when its mail does.
UPDATE "user_mail_accounts" SET "mail_since_utc" = 'infinity', "sync_due_at_utc" = NULL WHERE NOT "is_active_flg" AND NOT "keep_mail_flg";
--> statement-breakpoint
-- Substrings are found faster where pg_trgm is there already, in a schema that is searched; nothing depends on it
-- (docs/operations.md).
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm') THEN
    CREATE INDEX "emails_head_ix" ON "emails" USING gin ("head_txt" gin_trgm_ops);
  END IF;
EXCEPTION WHEN undefined_object THEN
  NULL;
END
$$;
