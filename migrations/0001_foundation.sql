CREATE TABLE "erasures" (
	"erasure_id" uuid PRIMARY KEY DEFAULT gatepost_uuid_v7() NOT NULL,
	"kind_cd" text NOT NULL,
	"provider_cd" text NOT NULL,
	"provider_subject_txt" text NOT NULL,
	"sealed_txt" text,
	"sealed_as_txt" text,
	"version_nbr" integer DEFAULT 1 NOT NULL,
	"due_at_utc" timestamp with time zone NOT NULL,
	"attempt_cnt" integer DEFAULT 0 NOT NULL,
	"last_error_cd" text,
	"created_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	"modified_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "erasures_subject_uq" UNIQUE("kind_cd","provider_cd","provider_subject_txt"),
	CONSTRAINT "erasures_kind_ck" CHECK ("erasures"."kind_cd" IN ('grant', 'avatar'))
);
--> statement-breakpoint
CREATE TABLE "oauth_tokens" (
	"oauth_token_id" uuid PRIMARY KEY DEFAULT gatepost_uuid_v7() NOT NULL,
	"user_mail_account_id" uuid NOT NULL,
	"access_token_txt" text,
	"refresh_token_txt" text,
	"expires_at_utc" timestamp with time zone,
	"refresh_token_expires_at_utc" timestamp with time zone,
	"client_id_txt" text NOT NULL,
	"version_nbr" integer DEFAULT 1 NOT NULL,
	"refresh_due_at_utc" timestamp with time zone,
	"lease_id" uuid,
	"lease_until_utc" timestamp with time zone,
	"failure_cnt" integer DEFAULT 0 NOT NULL,
	"last_error_cd" text,
	"last_refreshed_at_utc" timestamp with time zone,
	"refresh_history_json" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"created_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	"modified_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "oauth_tokens_user_mail_account_id_unique" UNIQUE("user_mail_account_id")
);
--> statement-breakpoint
CREATE TABLE "provider_states" (
	"provider_cd" text PRIMARY KEY NOT NULL,
	"open_until_utc" timestamp with time zone,
	"configuration_error_cnt" integer DEFAULT 0 NOT NULL,
	"window_started_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	"created_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	"modified_at_utc" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "user_mail_accounts" (
	"user_mail_account_id" uuid PRIMARY KEY DEFAULT gatepost_uuid_v7() NOT NULL,
	"user_id" uuid,
	"email_address_txt" text NOT NULL,
	"provider_cd" text NOT NULL,
	"provider_subject_txt" text NOT NULL,
	"is_active_flg" boolean DEFAULT true NOT NULL,
	"status_cd" text DEFAULT 'active' NOT NULL,
	"status_changed_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	"granted_scopes_txt" text DEFAULT '' NOT NULL,
	"keep_mail_flg" boolean DEFAULT false NOT NULL,
	"sync_cursor_txt" text,
	"last_synced_at_utc" timestamp with time zone,
	"created_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	"modified_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "user_mail_accounts_subject_uq" UNIQUE("user_id","provider_cd","provider_subject_txt"),
	CONSTRAINT "user_mail_accounts_status_ck" CHECK ("user_mail_accounts"."status_cd" IN ('active', 'degraded', 'needs_reauthorization', 'disconnected')),
	CONSTRAINT "user_mail_accounts_active_ck" CHECK ("user_mail_accounts"."is_active_flg" = ("user_mail_accounts"."status_cd" <> 'disconnected'))
);
--> statement-breakpoint
CREATE TABLE "one_time_codes" (
	"one_time_code_id" uuid PRIMARY KEY DEFAULT gatepost_uuid_v7() NOT NULL,
	"purpose_cd" text NOT NULL,
	"user_id" uuid,
	"session_id" uuid,
	"subject_hash_txt" text,
	"provider_cd" text,
	"provider_subject_txt" text,
	"avatar_id" uuid,
	"challenge_txt" text,
	"code_hash_txt" text,
	"credential_version_nbr" integer,
	"payload_sealed_txt" text,
	"attempt_cnt" integer DEFAULT 0 NOT NULL,
	"consumed_at_utc" timestamp with time zone,
	"expires_at_utc" timestamp with time zone NOT NULL,
	"code_expires_at_utc" timestamp with time zone,
	"created_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	"modified_at_utc" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "audit_logs" (
	"audit_log_id" uuid PRIMARY KEY DEFAULT gatepost_uuid_v7() NOT NULL,
	"action_cd" text NOT NULL,
	"actor_user_id" uuid,
	"subject_id_txt" text,
	"outcome_cd" text NOT NULL,
	"ip_address_txt" text,
	"user_agent_txt" text,
	"event_json" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"created_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "audit_logs_outcome_ck" CHECK ("audit_logs"."outcome_cd" IN ('success', 'refused', 'failure'))
);
--> statement-breakpoint
CREATE TABLE "dead_letters" (
	"dead_letter_id" uuid PRIMARY KEY DEFAULT gatepost_uuid_v7() NOT NULL,
	"message_id_txt" text NOT NULL,
	"queue_txt" text NOT NULL,
	"body_json" jsonb NOT NULL,
	"status_cd" text DEFAULT 'open' NOT NULL,
	"created_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	"modified_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "dead_letters_message_id_txt_unique" UNIQUE("message_id_txt"),
	CONSTRAINT "dead_letters_status_ck" CHECK ("dead_letters"."status_cd" IN ('open', 'resolved'))
);
--> statement-breakpoint
CREATE TABLE "letters" (
	"letter_id" uuid PRIMARY KEY DEFAULT gatepost_uuid_v7() NOT NULL,
	"kind_cd" text NOT NULL,
	"recipient_txt" text NOT NULL,
	"one_time_code_id" uuid,
	"cause_txt" text NOT NULL,
	"status_cd" text DEFAULT 'due' NOT NULL,
	"attempt_cnt" integer DEFAULT 0 NOT NULL,
	"due_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	"created_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	"modified_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "letters_cause_txt_unique" UNIQUE("cause_txt")
);
--> statement-breakpoint
CREATE TABLE "api_keys" (
	"api_key_id" uuid PRIMARY KEY DEFAULT gatepost_uuid_v7() NOT NULL,
	"name_txt" text NOT NULL,
	"key_hash_txt" text NOT NULL,
	"key_hint_txt" text NOT NULL,
	"permissions_txt" text[] NOT NULL,
	"user_id" uuid,
	"mail_account_ids" uuid[],
	"status_cd" text DEFAULT 'active' NOT NULL,
	"expires_at_utc" timestamp with time zone,
	"last_used_at_utc" timestamp with time zone,
	"revoked_at_utc" timestamp with time zone,
	"created_by_user_id" uuid,
	"created_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	"modified_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "api_keys_key_hash_txt_unique" UNIQUE("key_hash_txt"),
	CONSTRAINT "api_keys_status_ck" CHECK ("api_keys"."status_cd" IN ('active', 'revoked'))
);
--> statement-breakpoint
CREATE TABLE "refresh_tokens" (
	"token_hash_txt" text PRIMARY KEY NOT NULL,
	"session_id" uuid NOT NULL,
	"expires_at_utc" timestamp with time zone NOT NULL,
	"used_at_utc" timestamp with time zone,
	"shown_cnt" integer DEFAULT 0 NOT NULL,
	"revoked_at_utc" timestamp with time zone,
	"created_at_utc" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "sessions" (
	"session_id" uuid PRIMARY KEY DEFAULT gatepost_uuid_v7() NOT NULL,
	"user_id" uuid NOT NULL,
	"secret_hash_txt" text,
	"credential_version_nbr" integer NOT NULL,
	"authenticated_at_utc" timestamp with time zone NOT NULL,
	"last_seen_at_utc" timestamp with time zone NOT NULL,
	"revoked_at_utc" timestamp with time zone,
	"user_agent_txt" text,
	"ip_address_txt" text,
	"created_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	"modified_at_utc" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "user_identities" (
	"user_identity_id" uuid PRIMARY KEY DEFAULT gatepost_uuid_v7() NOT NULL,
	"user_id" uuid NOT NULL,
	"provider_cd" text NOT NULL,
	"provider_subject_txt" text NOT NULL,
	"email_address_txt" text,
	"created_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	"modified_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "user_identities_subject_uq" UNIQUE("provider_cd","provider_subject_txt")
);
--> statement-breakpoint
CREATE TABLE "users" (
	"user_id" uuid PRIMARY KEY DEFAULT gatepost_uuid_v7() NOT NULL,
	"email_address_txt" text NOT NULL,
	"username_txt" text,
	"full_name_txt" text,
	"password_hash_txt" text,
	"credential_version_nbr" integer DEFAULT 1 NOT NULL,
	"email_verified_at_utc" timestamp with time zone,
	"email_proof_cd" text,
	"role_cd" text DEFAULT 'user' NOT NULL,
	"is_active_flg" boolean DEFAULT true NOT NULL,
	"created_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	"modified_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "users_username_txt_unique" UNIQUE("username_txt"),
	CONSTRAINT "users_role_ck" CHECK ("users"."role_cd" IN ('user', 'admin')),
	CONSTRAINT "users_email_proof_ck" CHECK ("users"."email_proof_cd" IN ('letter', 'google', 'trusted')),
	CONSTRAINT "users_email_proven_ck" CHECK (("users"."email_proof_cd" IS NULL) = ("users"."email_verified_at_utc" IS NULL))
);
--> statement-breakpoint
ALTER TABLE "oauth_tokens" ADD CONSTRAINT "oauth_tokens_user_mail_account_id_user_mail_accounts_user_mail_account_id_fk" FOREIGN KEY ("user_mail_account_id") REFERENCES "public"."user_mail_accounts"("user_mail_account_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "user_mail_accounts" ADD CONSTRAINT "user_mail_accounts_user_id_users_user_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("user_id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_user_id_users_user_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("user_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "refresh_tokens" ADD CONSTRAINT "refresh_tokens_session_id_sessions_session_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."sessions"("session_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_user_id_users_user_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("user_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "user_identities" ADD CONSTRAINT "user_identities_user_id_users_user_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("user_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "erasures_due_ix" ON "erasures" USING btree ("due_at_utc");--> statement-breakpoint
CREATE INDEX "oauth_tokens_due_ix" ON "oauth_tokens" USING btree ("refresh_due_at_utc") WHERE "oauth_tokens"."refresh_due_at_utc" IS NOT NULL;--> statement-breakpoint
CREATE INDEX "oauth_tokens_sealing_key_ix" ON "oauth_tokens" USING btree ((split_part(coalesce("refresh_token_txt", "access_token_txt"), '.', 2)));--> statement-breakpoint
CREATE INDEX "user_mail_accounts_subject_ix" ON "user_mail_accounts" USING btree ("provider_cd","provider_subject_txt");--> statement-breakpoint
CREATE UNIQUE INDEX "one_time_codes_code_uq" ON "one_time_codes" USING btree ("purpose_cd","code_hash_txt") WHERE "one_time_codes"."code_hash_txt" IS NOT NULL;--> statement-breakpoint
CREATE INDEX "one_time_codes_expires_ix" ON "one_time_codes" USING btree ("expires_at_utc");--> statement-breakpoint
CREATE INDEX "one_time_codes_waiting_grant_ix" ON "one_time_codes" USING btree ("provider_cd","provider_subject_txt") WHERE "one_time_codes"."payload_sealed_txt" IS NOT NULL;--> statement-breakpoint
CREATE INDEX "audit_logs_created_ix" ON "audit_logs" USING btree ("created_at_utc");--> statement-breakpoint
CREATE INDEX "audit_logs_actor_ix" ON "audit_logs" USING btree ("actor_user_id","created_at_utc");--> statement-breakpoint
CREATE INDEX "letters_due_ix" ON "letters" USING btree ("due_at_utc") WHERE "letters"."status_cd" = 'due';--> statement-breakpoint
CREATE INDEX "refresh_tokens_session_ix" ON "refresh_tokens" USING btree ("session_id");--> statement-breakpoint
CREATE INDEX "refresh_tokens_expires_ix" ON "refresh_tokens" USING btree ("expires_at_utc");--> statement-breakpoint
CREATE INDEX "sessions_user_ix" ON "sessions" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "sessions_last_seen_ix" ON "sessions" USING btree ("last_seen_at_utc");--> statement-breakpoint
CREATE INDEX "user_identities_user_ix" ON "user_identities" USING btree ("user_id");--> statement-breakpoint
CREATE UNIQUE INDEX "users_verified_email_uq" ON "users" USING btree ("email_address_txt") WHERE "users"."email_verified_at_utc" IS NOT NULL;