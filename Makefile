# The npm scripts under the names that make's users expect. What they do stands in package.json and scripts/.

.DEFAULT_GOAL := help
.PHONY: help install dev test check migrate makemigrations psql bench up down

# Where `make up` puts PostgreSQL; `make dev DATABASE_URL=…` and the like pass it on.
POSTGRES_PORT ?= 5432
export POSTGRES_PORT

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

install: ## Install what package-lock.json names
	npm ci

dev: ## Run all of it: PostgreSQL, the local providers, the Worker, cron
	npm run dev

test: ## Test everything, on a real PostgreSQL
	npm run test

check: ## Format, lint, types, configuration
	npm run check

migrate: ## Bring the database up to date (DATABASE_URL, or the development one)
	npm run db:migrate

makemigrations: ## Generate a migration from src/db/schema: make makemigrations NAME=add_something
	@test -n "$(NAME)" || { echo 'Say what it does: make makemigrations NAME=add_something' >&2; exit 2; }
	npm run db:generate -- --name "$(NAME)"

psql: ## A prompt on the development database (or DATABASE_URL)
	npm run db:psql

bench: ## Measure (docs/performance.md)
	npm run bench

up: ## Start PostgreSQL in a container (compose.yaml) and say its address
	docker compose up --detach --wait
	@echo 'export DATABASE_URL=postgres://gatepost:gatepost@127.0.0.1:$(POSTGRES_PORT)/gatepost'

down: ## Stop it; its data stay (docker compose down --volumes deletes them)
	docker compose down
