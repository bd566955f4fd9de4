/** Types of the API, made by `npm run generate` of its OpenAPI document. Do not change them here. */

export interface paths {
    "/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Whether the server takes requests */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Health"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/admin/audit-logs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List what happened on the platform, the newest first
         * @description What is about no team, or about a team but done or to be seen by administrators: accounts that were made, refused log-ins, rights, hosts, limits of teams.
         */
        get: {
            parameters: {
                query?: {
                    /** @description Events of such a kind; several with commas between them, or given again */
                    action?: string[];
                    /** @description Events of these users, API keys, or `system`, 10 at most; several with commas between them, or given again */
                    actor?: string[];
                    /** @description `next_cursor` of the page before */
                    cursor?: string;
                    /** @description Events of this time and later */
                    from?: string;
                    /** @description Events of one page */
                    limit?: number;
                    /** @description Events about the resource with this id, such as a sandbox */
                    resource_id?: string;
                    /** @description Events about such resources; several with commas between them, or given again */
                    resource_type?: string[];
                    /** @description Events before this time */
                    to?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["AuditPage"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/admin/audit-logs/export": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Download what happened on the platform, the newest first, one event of JSON to a line
         * @description Has all events that there are when it begins, however many. An answer that breaks off is not whole.
         */
        get: {
            parameters: {
                query?: {
                    /** @description Events of such a kind; several with commas between them, or given again */
                    action?: string[];
                    /** @description Events of these users, API keys, or `system`, 10 at most; several with commas between them, or given again */
                    actor?: string[];
                    /** @description Events of this time and later */
                    from?: string;
                    /** @description Events about the resource with this id, such as a sandbox */
                    resource_id?: string;
                    /** @description Events about such resources; several with commas between them, or given again */
                    resource_type?: string[];
                    /** @description Events before this time */
                    to?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Events, one to a line */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/x-ndjson": string;
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/admin/hosts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List all hosts, and what is in use on them */
        get: {
            parameters: {
                query?: {
                    /** @description `next_cursor` of the page before */
                    cursor?: string;
                    limit?: number;
                    /** @description What has this text in its address or provider, or whose id it is, in capitals or not */
                    search?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["AdminHostPage"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/admin/sandboxes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the sandboxes of all teams, and nothing of what is in them */
        get: {
            parameters: {
                query?: {
                    /** @description `next_cursor` of the page before */
                    cursor?: string;
                    /** @description Host id */
                    host_id?: string;
                    limit?: number;
                    /** @description What has this text in its id or name, or in the name or slug of its team, in capitals or not */
                    search?: string;
                    /** @description Those in this state; absent = all that are not ended */
                    status?: "pending" | "starting" | "running" | "pausing" | "paused" | "resuming" | "stopping" | "missing" | "stopped" | "error";
                    /** @description Team id */
                    team_id?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["AdminSandboxPage"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/admin/teams": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List all teams, deleted ones included */
        get: {
            parameters: {
                query?: {
                    /** @description `next_cursor` of the page before */
                    cursor?: string;
                    limit?: number;
                    /** @description What has this text in its name, slug or the address of its owner, or whose id it is, in capitals or not */
                    search?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["AdminTeamPage"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/admin/teams/{id}/byoc": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Say whether a team runs its sandboxes on hosts of its own */
        put: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Team id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["SetByoc"];
                };
            };
            responses: {
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/admin/teams/{id}/quota": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Get what a team may use and what it uses */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Team id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TeamQuota"];
                    };
                };
            };
        };
        /**
         * Set limits of a team
         * @description Limits that are not named stay as they are. What runs already is not ended.
         */
        put: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Team id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["SetTeamQuota"];
                };
            };
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TeamQuota"];
                    };
                };
            };
        };
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/admin/teams/{id}/usage-limits": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Get what a team may use in a month and has used in this one */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Team id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description What the team may use in this month, whatever time was asked for; among what a team has used only where a warning or limit is set */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["UsageLimits"];
                    };
                };
            };
        };
        /**
         * Set what a team may use in a month
         * @description What is not named stays as it is. At a limit the team's sandboxes are paused within seconds, and none starts: never is one destroyed.
         */
        put: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Team id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["SetUsageLimits"];
                };
            };
            responses: {
                /** @description What the team may use in this month, whatever time was asked for; among what a team has used only where a warning or limit is set */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["UsageLimits"];
                    };
                };
            };
        };
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/admin/users": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List all users */
        get: {
            parameters: {
                query?: {
                    /** @description `next_cursor` of the page before */
                    cursor?: string;
                    limit?: number;
                    /** @description What has this text in its address or name, or whose id it is, in capitals or not */
                    search?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["AdminUserPage"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/admin/users/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /**
         * Let another user administer the platform, or shut the user out, or no longer
         * @description Who administers the platform, and whoever has rights on it, is for its administrators alone to change, and nobody's own.
         */
        patch: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description User id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["UpdateUser"];
                };
            };
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["AdminUser"];
                    };
                };
            };
        };
        trace?: never;
    };
    "/v1/admin/webhooks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List webhooks, the oldest first
         * @description For administrators of the platform, whose webhooks are told of all teams and hosts.
         */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Webhook"][];
                    };
                };
            };
        };
        put?: never;
        /**
         * Make a webhook; its secret is shown only in this answer
         * @description For administrators of the platform, whose webhooks are told of all teams and hosts.
         */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["CreateWebhook"];
                };
            };
            responses: {
                /** @description Default Response */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["NewWebhook"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/admin/webhooks/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Look up a webhook */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Webhook"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        /** Delete a webhook with its log */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        options?: never;
        head?: never;
        /**
         * Change a webhook
         * @description Waiting deliveries go to the new address. One that is switched on again begins anew.
         */
        patch: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["UpdateWebhook"];
                };
            };
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Webhook"];
                    };
                };
            };
        };
        trace?: never;
    };
    "/v1/admin/webhooks/{id}/deliveries": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List what was sent to a webhook, the newest first */
        get: {
            parameters: {
                query?: {
                    /** @description `next_cursor` of the page before */
                    cursor?: string;
                    /** @description Deliveries of one page */
                    limit?: number;
                    status?: "pending" | "delivered" | "failed";
                };
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["WebhookDeliveryPage"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/admin/webhooks/{id}/deliveries/{delivery_id}/redeliver": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Send a message again, and wait for what comes of the first attempt
         * @description With the same id, by which its receiver knows it. More attempts follow as for any other.
         */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    delivery_id: string;
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["WebhookDelivery"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/admin/webhooks/{id}/secret": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Give a webhook another secret, which is shown only in this answer
         * @description For a day, messages have a signature of the former one as well.
         */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["WebhookSecret"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/admin/webhooks/{id}/test": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Send a test message, and wait for what comes of the first attempt */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["WebhookDelivery"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/api-keys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the API keys of the team, newest first */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ApiKey"][];
                    };
                };
            };
        };
        put?: never;
        /**
         * Make an API key; its secret is shown only in this answer
         * @description Any member may, unless the team leaves it to the owner and admins.
         */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["CreateApiKey"];
                };
            };
            responses: {
                /** @description Default Response */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["NewApiKey"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/api-keys/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Revoke an API key */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/audit-logs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List what happened in the team, the newest first
         * @description Members see events of the scope `team`; the owner and admins also those of the scope `admin`.
         */
        get: {
            parameters: {
                query?: {
                    /** @description Events of such a kind; several with commas between them, or given again */
                    action?: string[];
                    /** @description Events of these users, API keys, or `system`, 10 at most; several with commas between them, or given again */
                    actor?: string[];
                    /** @description `next_cursor` of the page before */
                    cursor?: string;
                    /** @description Events of this time and later */
                    from?: string;
                    /** @description Events of one page */
                    limit?: number;
                    /** @description Events about the resource with this id, such as a sandbox */
                    resource_id?: string;
                    /** @description Events about such resources; several with commas between them, or given again */
                    resource_type?: string[];
                    /** @description Events before this time */
                    to?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["AuditPage"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/audit-logs/export": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Download what happened in the team, the newest first, one event of JSON to a line
         * @description Has all events that there are when it begins, however many. An answer that breaks off is not whole.
         */
        get: {
            parameters: {
                query?: {
                    /** @description Events of such a kind; several with commas between them, or given again */
                    action?: string[];
                    /** @description Events of these users, API keys, or `system`, 10 at most; several with commas between them, or given again */
                    actor?: string[];
                    /** @description Events of this time and later */
                    from?: string;
                    /** @description Events about the resource with this id, such as a sandbox */
                    resource_id?: string;
                    /** @description Events about such resources; several with commas between them, or given again */
                    resource_type?: string[];
                    /** @description Events before this time */
                    to?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Events, one to a line */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/x-ndjson": string;
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/auth/login": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Sign in with a password
         * @description Signs in to the default team if it is live, else to the live team that the user joined first.
         */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["LogIn"];
                };
            };
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["AuthResponse"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/auth/logout": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** End this session */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/auth/logout-everywhere": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** End all sessions of the user */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/auth/oauth/{provider}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Sign in through a provider (for browsers) */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    provider: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                302: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/auth/oauth/{provider}/callback": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Return from a provider (for browsers)
         * @description Puts the session into an HttpOnly cookie and goes on to `/auth/{provider}/callback` of the dashboard; after a failure with `?error=`.
         */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    provider: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                302: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/auth/options": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How people can sign in to this server */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SignInOptions"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/auth/setup": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Make the first account, with the token of the link that the server's operator has, and sign in
         * @description The account administers the platform and owns the teams that have no member yet. `warren up` and `warren admin link` print the link, which is valid for a day and once.
         */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["SetUp"];
                };
            };
            responses: {
                /** @description Default Response */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["AuthResponse"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/auth/signup": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Make an account with a team of its own, and sign in */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["SignUp"];
                };
            };
            responses: {
                /** @description Default Response */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["AuthResponse"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/auth/switch-team": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Continue the session in another team
         * @description Reads membership, role and name anew. With the team of the session itself it renews the session, up to 7 days after signing in.
         */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["SwitchTeam"];
                };
            };
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["AuthResponse"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Follow what changes in the team, as server-sent events
         * @description The first event is `ready` (`StreamReady`); then comes one `TeamEvent` for each change, named by its type. `reset` (`StreamReset`) says that events were lost. API keys see sandboxes and templates.
         */
        get: {
            parameters: {
                query?: {
                    /** @description Id after which to go on, as the header Last-Event-ID, which goes before it */
                    after?: string;
                    /** @description What to tell of; default: all that the caller may see */
                    types?: string[];
                };
                header?: {
                    /** @description Id of the last event that the client has; browsers send it when they connect again */
                    "last-event-id"?: string;
                };
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description A stream */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/event-stream": string;
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/family": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get what came of what: templates, the sandboxes started from them, copies and templates of those
         * @description A list of nodes that name their parents: all sandboxes and templates that are there, and of those that are gone the ones from which they descend.
         */
        get: {
            parameters: {
                query?: {
                    /** @description Tells also of the newest 100 sandboxes that are over and the newest 100 templates that are gone, whether or not anything came of them */
                    ended?: boolean;
                    /** @description A sandbox that is to be in the tree though it is over */
                    sandbox_id?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Family"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/hosts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List hosts, the oldest first
         * @description All of them for whoever has the right "hosts" on the platform, else those of the session's team.
         */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Host"][];
                    };
                };
            };
        };
        put?: never;
        /**
         * Make a host known, and a token with which its agent registers
         * @description For administrators of the platform, and users with its right "hosts". The token is shown only here.
         */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["CreateHost"];
                };
            };
            responses: {
                /** @description Default Response */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["NewHost"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/hosts/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A host, and the templates whose files it has */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Host id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["HostDetails"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        /**
         * Delete a host
         * @description Refused with `has_active_sandboxes` while something would be lost with it, unless `force` says that it may. Its credentials are worth nothing from then on.
         */
        delete: {
            parameters: {
                query?: {
                    /** @description Destroy the sandboxes on it, and give up its templates */
                    force?: boolean;
                };
                header?: never;
                path: {
                    /** @description Host id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description Default Response */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["HostInUse"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/hosts/{id}/delete-preview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What would be lost with a host */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Host id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["HostDeletePreview"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/hosts/{id}/drain": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Have a host take no new sandboxes
         * @description Neither new sandboxes nor copies of those on it are placed there. What is on it goes on, and may be paused and resumed. It stays so when it was lost and comes back.
         */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Host id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Host"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/hosts/{id}/heartbeat": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * A sign of life of a host, and what it says of itself
         * @description Every 30 seconds. A host that gives none for 90 seconds is `unreachable`. One that waits or was lost is called at its address, and online when it answers; where it does not, the answer says why.
         */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Host id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Heartbeat"];
                };
            };
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["HeartbeatAnswer"];
                    };
                };
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/hosts/{id}/offline": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Take a host out of service
         * @description Refused with `has_active_sandboxes` while it has sandboxes that are not paused; those that are cannot be resumed meanwhile.
         */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Host id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Host"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/hosts/{id}/online": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Have a host take sandboxes again
         * @description It is `unreachable` until it answers when it has not done so lately.
         */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Host id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Host"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/hosts/{id}/tags": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The tags of a host */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Host id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": string[];
                    };
                };
            };
        };
        put?: never;
        /** Give a host a tag */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Host id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["HostTag"];
                };
            };
            responses: {
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/hosts/{id}/tags/{tag}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Take a tag from a host */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Host id */
                    id: string;
                    tag: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/hosts/{id}/token": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Make a new registration token for a host
         * @description For one that has not registered, or that is unreachable, such as when its credentials are lost; once it has registered with it, all that it was given before is worth nothing.
         */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Host id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["HostToken"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/hosts/auth/refresh": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * New credentials for a host, whose refresh token then works for an hour more
         * @description It does so for whoever lost the answer, and no longer than until the new refresh token is used.
         */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["RefreshHost"];
                };
            };
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["HostCredentials"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/hosts/register": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Take up the registration of a host, by its agent */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["RegisterHost"];
                };
            };
            responses: {
                /** @description Default Response */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["HostCredentials"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/me": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Get one's own account */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Me"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        /**
         * Delete one's account, at once and for good
         * @description Teams that nobody else is in are deleted with all they have; the others go on. Asks for the password again, or for a session that was opened in the last 10 minutes when the account has none.
         */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["DeleteMe"];
                };
            };
            responses: {
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        options?: never;
        head?: never;
        /** Change one's name */
        patch: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["UpdateMe"];
                };
            };
            responses: {
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        trace?: never;
    };
    "/v1/me/deletion": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** See what the deletion of one's account would do to one's teams */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["DeletionPreview"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/me/email/confirm": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Verify one's address by the link of a mail, in a browser that is signed in */
        get: {
            parameters: {
                query: {
                    /** @description Token of the mail */
                    token: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": string;
                    };
                };
            };
        };
        put?: never;
        /** Verify one's address with the token of a mail */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["ConfirmEmail"];
                };
            };
            responses: {
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/me/email/verification": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Ask for another mail that verifies one's address
         * @description Nothing is sent when the address is verified already.
         */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/me/password": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Set one's password, and end all other sessions */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["ChangePassword"];
                };
            };
            responses: {
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/me/password/reset": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Ask for a mail by which a new password can be set
         * @description The answer is the same whether or not the address has an account.
         */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["RequestPasswordReset"];
                };
            };
            responses: {
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/me/password/reset/confirm": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Set a new password with the token of a mail, and end all sessions */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["ConfirmPasswordReset"];
                };
            };
            responses: {
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/me/providers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the providers that this server offers or offered, and those linked to one's account */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["LinkedProvider"][];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/me/providers/{provider}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Unlink one's account from a provider */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    provider: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/me/providers/{provider}/connect": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Begin to link one's account to a provider (for browsers)
         * @description The browser goes on to `url` and comes back to `/dashboard/account?linked={provider}`, or with `&error=`. Asks for the password again, or for a session that was opened in the last 10 minutes when the account has none.
         */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    provider: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["ConnectProvider"];
                };
            };
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ConnectUrl"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/me/sessions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List one's own sessions, the last used first
         * @description Shows 100 at most.
         */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["UserSession"][];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/me/sessions/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** End one of one's own sessions */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Session id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sandboxes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List sandboxes, newest first, without those that are stopped or failed
         * @description All of them as an array; with `limit` or `cursor` a page of them. Pages hold what was there when the first was asked for, less what ceased to match: what is created meanwhile is newer, and shifts nothing. Of sandboxes that are over, a list without pages has the newest 100.
         */
        get: {
            parameters: {
                query?: {
                    /** @description `next_cursor` of the page before */
                    cursor?: string;
                    /** @description Those that are stopped or failed, in place of the others */
                    ended?: boolean;
                    /** @description Sandboxes of one page; with `cursor` 50 unless it is given */
                    limit?: number;
                    /** @description Sandboxes whose metadata has this entry, as KEY=VALUE; may be given several times */
                    metadata?: string[];
                    /** @description The sandbox of this name */
                    name?: string;
                    /** @description Sandboxes that have this text somewhere in their id or name, in capitals or not */
                    q?: string;
                    /** @description Sandboxes in one of these states, those that are over included; several with commas between them, or given several times */
                    status?: string[];
                    /** @description Sandboxes that were started from the template of this name */
                    template?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Sandbox"][] | components["schemas"]["SandboxPage"];
                    };
                };
            };
        };
        put?: never;
        /** Create a sandbox and wait until it runs */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["CreateSandbox"];
                };
            };
            responses: {
                /** @description Default Response */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Sandbox"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sandboxes/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Get a sandbox */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Sandbox id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Sandbox"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        /** Destroy a sandbox in any state */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Sandbox id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        options?: never;
        head?: never;
        /**
         * Change name, metadata, timeout, on_timeout or auto_resume of a sandbox, or renew its lease
         * @description What is left out stays. `metadata` replaces all that was there; `name: null` takes the name away.
         */
        patch: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Sandbox id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["UpdateSandbox"];
                };
            };
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Sandbox"];
                    };
                };
            };
        };
        trace?: never;
    };
    "/v1/sandboxes/{id}/exec": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Run a command to its end and get its output, or start it in the background */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Sandbox id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["ExecRequest"];
                };
            };
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ExecResult"];
                    };
                };
                /** @description Default Response */
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["StartedProcess"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sandboxes/{id}/exec/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Run a command, or join one, and stream its input and output
         * @description A WebSocket. The client's first frame is `{"type":"start","cmd":…}` with the fields of exec and
         *     `"stdin":true` when input follows, and `"terminal":{"cols":80,"rows":24}` for a terminal, which
         *     `{"type":"resize","cols":…,"rows":…}` resizes; or `{"type":"attach","process":…,"from":…}`, which joins a command by its
         *     process id or tag, with its output from that byte on, as far as it is kept, or without `from` with what comes from now on.
         *     Other later frames are `{"type":"stdin","data":…,"encoding":"utf-8"|"base64"}`,
         *     `{"type":"close_stdin"}`, `{"type":"signal","signal":"SIGINT"}` (any name of signal(7), SIG may be left out),
         *     `{"type":"timeout","timeout_sec":…}`, a new time limit that counts from there, and `{"type":"stop"}`. The server sends
         *     `{"type":"start","pid":…,"offset":…}`, where `offset` is the number of bytes of output before what follows,
         *     `{"type":"stdout"|"stderr","data":…}` with `"encoding":"base64"` when the bytes are not
         *     UTF-8, `{"type":"refused","code":…,"data":…}` for a signal, time limit or size that it cannot take, which changes nothing, and
         *     at the end `{"type":"exit","exit_code":…}` or `{"type":"error","code":…,"data":…}`. Ending the connection ends the command and
         *     all its processes, unless it was started with `"background":true` or joined; `stop` ends it in any case. With the subprotocol
         *     `warren.exec.v1` standard streams travel as binary messages: a byte (1 = stdin or stdout, 2 = stderr), then the bytes.
         */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Sandbox id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: never;
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sandboxes/{id}/files/archive": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Download a directory as a tar archive
         * @description The archive is made while it is sent (pax format), with modes, times and links as they are. It stays on the file system of the directory. What the user may not read is left out, and named by a last member `NAME.left-out.txt`.
         */
        get: {
            parameters: {
                query: {
                    /** @description Path in the sandbox; a relative one starts at the user's home, which an empty one is */
                    path: string;
                    /** @description User of the image, with that user's rights; default: the sandbox's default user */
                    user?: string;
                };
                header?: never;
                path: {
                    /** @description Sandbox id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The archive */
                200: {
                    headers: {
                        /** @description Has browsers save it, under the name that it has in the sandbox */
                        "content-disposition"?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/x-tar": string;
                    };
                };
            };
        };
        /**
         * Unpack a tar archive into a directory
         * @description The archive, of any size and not compressed, is unpacked while it comes, with modes, times and links; what it has belongs to the user. Files that are there are replaced, each when its new content is whole, and directories keep what else is in them. Nothing is written outside of the directory, nor through a link. What cannot be written is named by an error when all else is there; of an archive that breaks off, what came before stays.
         */
        put: {
            parameters: {
                query: {
                    /** @description Directory in the sandbox, which is made when it is missing; a relative one starts at the user's home, which an empty one is */
                    path: string;
                    /** @description User of the image, with that user's rights; default: the sandbox's default user */
                    user?: string;
                };
                header?: never;
                path: {
                    /** @description Sandbox id */
                    id: string;
                };
                cookie?: never;
            };
            /** @description The archive */
            requestBody: {
                content: {
                    "application/x-tar": string;
                };
            };
            responses: {
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sandboxes/{id}/files/download": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Download a file by an address
         * @description For links in pages; the bytes are those of `files/stream/read`. Pages of other sites are refused.
         */
        get: {
            parameters: {
                query: {
                    /** @description Path in the sandbox; a relative one starts at the user's home, which an empty one is */
                    path: string;
                    /** @description User of the image, with that user's rights; default: the sandbox's default user */
                    user?: string;
                };
                header?: never;
                path: {
                    /** @description Sandbox id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Content of the file */
                200: {
                    headers: {
                        /** @description Has browsers save it, under the name that it has in the sandbox */
                        "content-disposition"?: string;
                        /** @description Permission bits in octal, such as 0755, or 1777 with the sticky bit */
                        "x-file-mode"?: string;
                        /** @description When the file was last changed */
                        "x-file-modified-at"?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/octet-stream": string;
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sandboxes/{id}/files/list": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * List a directory
         * @description As many entries as fit; when there are more, `next` is where to go on. Links are not followed.
         */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Sandbox id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["ListFiles"];
                };
            };
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["FileList"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sandboxes/{id}/files/mkdir": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Make a directory */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Sandbox id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["MakeDirectory"];
                };
            };
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["FileEntry"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sandboxes/{id}/files/move": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Move or rename a file or a directory */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Sandbox id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["MoveFile"];
                };
            };
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["FileEntry"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sandboxes/{id}/files/read": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Read a file */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Sandbox id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["ReadFile"];
                };
            };
            responses: {
                /** @description Content of the file */
                200: {
                    headers: {
                        /** @description Permission bits in octal, such as 0755, or 1777 with the sticky bit */
                        "x-file-mode"?: string;
                        /** @description When the file was last changed */
                        "x-file-modified-at"?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/octet-stream": string;
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sandboxes/{id}/files/remove": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Remove a file or a directory
         * @description A directory that is not empty wants `recursive`. A link is removed, not what it leads to. When something in a directory may not be removed, the rest of it has gone, and the error says so.
         */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Sandbox id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["RemoveFile"];
                };
            };
            responses: {
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sandboxes/{id}/files/stat": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Describe a file, a directory or a link */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Sandbox id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["StatFile"];
                };
            };
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["FileEntry"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sandboxes/{id}/files/stream/read": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Read a file of any size, each piece as it comes */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Sandbox id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["ReadFile"];
                };
            };
            responses: {
                /** @description Content of the file */
                200: {
                    headers: {
                        /** @description Permission bits in octal, such as 0755, or 1777 with the sticky bit */
                        "x-file-mode"?: string;
                        /** @description When the file was last changed */
                        "x-file-modified-at"?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/octet-stream": string;
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sandboxes/{id}/files/stream/write": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Write a file of any size
         * @description A multipart form: `path`, optionally `name`, `user`, `mode` and `modified_at`, and `file`. A file that comes before its path is limited in size. The file has its new content once all of it has arrived; an upload that fails changes nothing.
         */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Sandbox id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "multipart/form-data": {
                        /**
                         * Format: binary
                         * @description Content of the file
                         */
                        file: string;
                        /** @description Permission bits in octal, such as 0755, or 1777 with the sticky bit */
                        mode?: string;
                        /**
                         * Format: date-time
                         * @description When the file was last changed
                         */
                        modified_at?: string;
                        /** @description Name of a file that goes into a directory, in place of the one that the form gives it */
                        name?: string;
                        /** @description Path in the sandbox; a relative one starts at the user's home, which an empty one is. One that ends with / or is a directory means into it, under the file's own name */
                        path: string;
                        /** @description User of the image, with that user's rights; default: the sandbox's default user */
                        user?: string;
                    };
                };
            };
            responses: {
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sandboxes/{id}/files/write": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Write a file of at most 100 MiB
         * @description A multipart form: `path`, optionally `name`, `user`, `mode` and `modified_at`, and `file`. A file that comes before its path is limited in size. The file has its new content once all of it has arrived; an upload that fails changes nothing.
         */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Sandbox id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "multipart/form-data": {
                        /**
                         * Format: binary
                         * @description Content of the file
                         */
                        file: string;
                        /** @description Permission bits in octal, such as 0755, or 1777 with the sticky bit */
                        mode?: string;
                        /**
                         * Format: date-time
                         * @description When the file was last changed
                         */
                        modified_at?: string;
                        /** @description Name of a file that goes into a directory, in place of the one that the form gives it */
                        name?: string;
                        /** @description Path in the sandbox; a relative one starts at the user's home, which an empty one is. One that ends with / or is a directory means into it, under the file's own name */
                        path: string;
                        /** @description User of the image, with that user's rights; default: the sandbox's default user */
                        user?: string;
                    };
                };
            };
            responses: {
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sandboxes/{id}/fork": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Start copies of a running sandbox from one stop of it; the sandbox goes on */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Sandbox id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["ForkSandbox"];
                };
            };
            responses: {
                /** @description Default Response */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": ({
                            sandbox: components["schemas"]["Sandbox"];
                        } | components["schemas"]["Error"])[];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sandboxes/{id}/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Get what a sandbox used of processor, memory, disk and network, also one that is over */
        get: {
            parameters: {
                query?: {
                    /** @description `5m`: buckets of 10 s; `1h`: buckets of 30 s; `6h`: buckets of 180 s; `24h`: buckets of 720 s; `30d`: buckets of 21600 s */
                    range?: "5m" | "1h" | "6h" | "24h" | "30d";
                };
                header?: never;
                path: {
                    /** @description Sandbox id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SandboxMetrics"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sandboxes/{id}/pause": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Pause a running sandbox to disk; a paused one stays paused */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Sandbox id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Sandbox"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sandboxes/{id}/ping": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Reset the inactivity timer */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Sandbox id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sandboxes/{id}/processes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List the commands of a sandbox, or be told when that list changes
         * @description Those that live, however they were started, and those of the background that ended within the last hour; the newest last, 1,024 at most. As a WebSocket it says `{"type":"changed"}` once at the beginning and then whenever commands have started or ended, at most four times a second, and `{"type":"error","code":…,"data":…}` when it ends, as by a pause.
         */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Sandbox id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Processes"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sandboxes/{id}/processes/{process}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Look a command up by its process id or tag */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Sandbox id */
                    id: string;
                    /** @description Process id of the command in the sandbox, or its tag */
                    process: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Process"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        /**
         * End a command and all its processes
         * @description By SIGTERM, and what lives 5 s later by SIGKILL; the answer comes at once. 404 `process_not_found` when it has ended.
         */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Sandbox id */
                    id: string;
                    /** @description Process id of the command in the sandbox, or its tag */
                    process: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sandboxes/{id}/processes/{process}/signal": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Send a command a signal
         * @description 404 `process_not_found` when it has ended.
         */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Sandbox id */
                    id: string;
                    /** @description Process id of the command in the sandbox, or its tag */
                    process: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["SignalProcess"];
                };
            };
            responses: {
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sandboxes/{id}/resume": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Continue a paused sandbox where it stood; a running one goes on running */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Sandbox id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["ResumeSandbox"];
                };
            };
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Sandbox"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sandboxes/{id}/rollback": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Return a running sandbox to its last pause; what it did since is lost. A paused one stays as it is */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Sandbox id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Sandbox"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sandboxes/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Get what each of the team's sandboxes used of processor, memory, disk and network */
        get: {
            parameters: {
                query?: {
                    /** @description `5m`: buckets of 10 s; `1h`: buckets of 30 s; `6h`: buckets of 180 s; `24h`: buckets of 720 s; `30d`: buckets of 21600 s */
                    range?: "5m" | "1h" | "6h" | "24h" | "30d";
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TeamMetrics"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sandboxes/stats": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Get what the team's sandboxes take and took */
        get: {
            parameters: {
                query?: {
                    /** @description `5m`: buckets of 10 s; `1h`: buckets of 30 s; `6h`: buckets of 180 s; `24h`: buckets of 720 s; `30d`: buckets of 21600 s */
                    range?: "5m" | "1h" | "6h" | "24h" | "30d";
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SandboxStats"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/snapshots": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the team's templates and the built-in ones */
        get: {
            parameters: {
                query?: {
                    type?: "base" | "snapshot";
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Template"][];
                    };
                };
            };
        };
        put?: never;
        /** Make a template of a running or paused sandbox, which stays what it was */
        post: {
            parameters: {
                query?: {
                    /** @description Replace a template of this name */
                    overwrite?: boolean;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["CreateTemplate"];
                };
            };
            responses: {
                /** @description Default Response */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Template"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/snapshots/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Delete a template; sandboxes that were started from it are not affected */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    name: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/teams": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List one's teams, in the order of joining */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Team"][];
                    };
                };
            };
        };
        put?: never;
        /** Make a team that one owns */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["CreateTeam"];
                };
            };
            responses: {
                /** @description Default Response */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Team"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/teams/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Get a team and its members */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Team id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TeamDetails"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        /** Delete a team and its sandboxes (owner) */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Team id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        options?: never;
        head?: never;
        /** Rename a team, or say who may make its API keys and whether commands are recorded (owner, admin) */
        patch: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Team id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["UpdateTeam"];
                };
            };
            responses: {
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        trace?: never;
    };
    "/v1/teams/{id}/leave": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Leave a team (not the owner) */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Team id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/teams/{id}/members": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the members of a team, in the order of joining */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Team id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Member"][];
                    };
                };
            };
        };
        put?: never;
        /** Add a user to a team (owner, admin) */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Team id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["AddMember"];
                };
            };
            responses: {
                /** @description Default Response */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Member"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/teams/{id}/members/{user_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Remove a member (owner, admin)
         * @description API keys that the member made stay, since programs use them, unless they are revoked as well.
         */
        delete: {
            parameters: {
                query?: {
                    /** @description Revoke also the team's API keys that the member made */
                    revoke_api_keys?: boolean;
                };
                header?: never;
                path: {
                    /** @description Team id */
                    id: string;
                    /** @description User id */
                    user_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        options?: never;
        head?: never;
        /** Change a member's role (owner, admin) */
        patch: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Team id */
                    id: string;
                    /** @description User id */
                    user_id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["SetRole"];
                };
            };
            responses: {
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        trace?: never;
    };
    "/v1/teams/{id}/quota": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Get what a team may use and what it uses */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Team id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TeamQuota"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/teams/{id}/transfer": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Make another member the owner (owner)
         * @description The owner so far becomes an admin.
         */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Team id */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["TransferOwnership"];
                };
            };
            responses: {
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/usage": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Get what the team has used of processors, memory, disk and network, day by day */
        get: {
            parameters: {
                query?: {
                    /** @description `csv`: one line for each day, or for each sandbox or template with `group_by` */
                    format?: "json" | "csv";
                    /** @description First day in UTC; default: the first of the month of `to` */
                    from?: string;
                    /** @description Tells the use of each as well, the 1000 that used most of the processors */
                    group_by?: "sandbox" | "template";
                    /** @description Last day in UTC; default: today */
                    to?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description What was used; with `format=csv` as a file */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TeamUsage"];
                        "text/csv": string;
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/users/search": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Complete the e-mail address of a user
         * @description Finds people in a team with the caller, people of the caller's e-mail domain once the caller's own address is verified, and whoever's address is given in full.
         */
        get: {
            parameters: {
                query: {
                    /**
                     * @description Start of an e-mail address, at least 3 characters with the @
                     * @example ada@
                     */
                    email: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["FoundUser"][];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/webhooks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List webhooks, the oldest first
         * @description For the owner and admins of the team.
         */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Webhook"][];
                    };
                };
            };
        };
        put?: never;
        /**
         * Make a webhook; its secret is shown only in this answer
         * @description For the owner and admins of the team.
         */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["CreateWebhook"];
                };
            };
            responses: {
                /** @description Default Response */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["NewWebhook"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/webhooks/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Look up a webhook */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Webhook"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        /** Delete a webhook with its log */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        options?: never;
        head?: never;
        /**
         * Change a webhook
         * @description Waiting deliveries go to the new address. One that is switched on again begins anew.
         */
        patch: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["UpdateWebhook"];
                };
            };
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Webhook"];
                    };
                };
            };
        };
        trace?: never;
    };
    "/v1/webhooks/{id}/deliveries": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List what was sent to a webhook, the newest first */
        get: {
            parameters: {
                query?: {
                    /** @description `next_cursor` of the page before */
                    cursor?: string;
                    /** @description Deliveries of one page */
                    limit?: number;
                    status?: "pending" | "delivered" | "failed";
                };
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["WebhookDeliveryPage"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/webhooks/{id}/deliveries/{delivery_id}/redeliver": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Send a message again, and wait for what comes of the first attempt
         * @description With the same id, by which its receiver knows it. More attempts follow as for any other.
         */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    delivery_id: string;
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["WebhookDelivery"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/webhooks/{id}/secret": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Give a webhook another secret, which is shown only in this answer
         * @description For a day, messages have a signature of the former one as well.
         */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["WebhookSecret"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/webhooks/{id}/test": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Send a test message, and wait for what comes of the first attempt */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Default Response */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["WebhookDelivery"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** AddMember */
        AddMember: {
            /**
             * @description E-mail address; case and surrounding blanks do not matter
             * @example ada@example.org
             */
            email: string;
        };
        /** AdminHost */
        AdminHost: {
            /** @description What runs its microVMs: kvm or tcg, which is emulation */
            accelerator?: string;
            /** @description Empty until the host has registered */
            address: string;
            arch: string;
            cpu_cores: number;
            /** Format: date-time */
            created_at: string;
            disk_gb: number;
            /** @description Why its microVMs are emulated in software, which is slow */
            emulation_reason?: string;
            /** @description Host id */
            id: string;
            /** Format: date-time */
            last_heartbeat_at?: string;
            memory_mb: number;
            /** @description MiB of memory of those that are not paused */
            memory_mb_in_use: number;
            provider: string;
            /** @description Sandboxes on it that are not ended */
            sandboxes: number;
            /** @enum {unknown} */
            status: "pending" | "online" | "unreachable" | "offline" | "draining";
            /** @description Team id */
            team_id?: string;
            /**
             * @description Shared by all teams, or brought by one for itself
             * @enum {unknown}
             */
            type: "regular" | "byoc";
            /** @description vCPUs of those that are not paused */
            vcpus_in_use: number;
        };
        /** AdminHostPage */
        AdminHostPage: {
            /** @description The newest first */
            items: components["schemas"]["AdminHost"][];
            /** @description What to give as `cursor` for the next page; absent when this is the last one */
            next_cursor?: string;
        };
        /** AdminSandbox */
        AdminSandbox: {
            /** Format: date-time */
            created_at: string;
            disk_bytes: number;
            /** @description Host id */
            host_id?: string;
            id: string;
            /** Format: date-time */
            last_active_at?: string;
            memory_mb: number;
            name?: string;
            reason?: {
                /** Format: date-time */
                at: string;
                /**
                 * @description `requested`: somebody asked for it; the message says who; `inactivity`: nothing has used the sandbox for `timeout_sec` seconds; `guest_powered_off`: the system in the sandbox powered itself off; `guest_rebooted`: the system in the sandbox rebooted; a microVM ends with that; `guest_panicked`: the kernel in the sandbox panicked. One that was told to stay then leaves the sandbox `running` until it is rolled back to its last pause or destroyed; `guest_hung`: the system in the sandbox has hung: its kernel makes no progress. It stays `running` until it is rolled back to its last pause or destroyed; `guest_unresponsive`: the agent in the sandbox, its process 1, has not answered for minutes, though the system does something or rests: it is stopped, cut off or gets no turn. The sandbox stays `running`, and says so until it answers a call or is rolled back; `out_of_memory`: the memory of the sandbox ran out and its kernel killed a process; the sandbox is `running`, and says so until it is paused or rolled back; `microvm_lost`: the microVM ended from outside: its process was killed or failed, or went with its host; `host_disk_full`: the host's disk is full and the sandbox went on writing; it goes on by itself when there is space; `host_disk_failed`: the host could not read or write the sandbox's disk; a resume tries again; `ended_by_operator`: the operator of the server ended all sandboxes (`warren down`); `host_lost`: the host of the sandbox has not answered for 90 seconds; it is back when its host is; `control_plane_lost`: the host of the sandbox had lost its control plane and paused it; nothing of it is lost, and a resume goes on where it stood; `start_failed`: the sandbox could not be started; the message says why; `lease_expired`: the client that made the sandbox did not renew its lease in time; `usage_limit`: the team has used all that it may in this month; it is resumed as any other once the next month begins or an administrator of the platform raises the limit
                 * @enum {unknown}
                 */
                code: "requested" | "inactivity" | "guest_powered_off" | "guest_rebooted" | "guest_panicked" | "guest_hung" | "guest_unresponsive" | "out_of_memory" | "microvm_lost" | "host_disk_full" | "host_disk_failed" | "ended_by_operator" | "host_lost" | "control_plane_lost" | "start_failed" | "lease_expired" | "usage_limit";
                /** @description For people */
                message: string;
                /** @description Id of the person who asked for it, where one did */
                user_id?: string;
            };
            /** @enum {unknown} */
            status: "pending" | "starting" | "running" | "pausing" | "paused" | "resuming" | "stopping" | "missing" | "stopped" | "error";
            /** @description Team id */
            team_id: string;
            team_name: string;
            team_slug: string;
            template: string;
            vcpus: number;
        };
        /** AdminSandboxPage */
        AdminSandboxPage: {
            /** @description The newest first */
            items: components["schemas"]["AdminSandbox"][];
            /** @description What to give as `cursor` for the next page; absent when this is the last one */
            next_cursor?: string;
        };
        /** AdminTeam */
        AdminTeam: {
            /** Format: date-time */
            created_at: string;
            /** Format: date-time */
            deleted_at?: string;
            /** @description Team id */
            id: string;
            is_byoc: boolean;
            members: number;
            name: string;
            /** @description Absent for a team that nobody has taken over yet */
            owner_email?: string;
            /** @description Sandboxes that are not ended */
            sandboxes: number;
            slug: string;
        };
        /** AdminTeamPage */
        AdminTeamPage: {
            /** @description The newest first */
            items: components["schemas"]["AdminTeam"][];
            /** @description What to give as `cursor` for the next page; absent when this is the last one */
            next_cursor?: string;
        };
        /** AdminUser */
        AdminUser: {
            /** Format: date-time */
            created_at: string;
            /**
             * Format: date-time
             * @description Since when an administrator has shut the user out
             */
            deactivated_at?: string;
            email: string;
            /** @description Whether it was shown that the address is the user's, by a provider or a mail */
            email_verified: boolean;
            has_password: boolean;
            is_admin: boolean;
            /**
             * Format: date-time
             * @description Last use of a session that has not ended
             */
            last_used_at?: string;
            name: string;
            permissions: ("teams" | "users" | "hosts" | "sandboxes")[];
            /** @description Live teams that the user is in */
            teams: number;
            /** @description User id */
            user_id: string;
        };
        /** AdminUserPage */
        AdminUserPage: {
            /** @description The newest first */
            items: components["schemas"]["AdminUser"][];
            /** @description What to give as `cursor` for the next page; absent when this is the last one */
            next_cursor?: string;
        };
        /** ApiKey */
        ApiKey: {
            /** Format: date-time */
            created_at: string;
            /** @description User id */
            created_by?: string;
            /** @description Absent for the key that the server made itself */
            creator_email?: string;
            /** Format: date-time */
            expires_at?: string;
            id: string;
            /** @description First 12 characters of the key */
            key_prefix: string;
            /** Format: date-time */
            last_used?: string;
            name: string;
            /** @description What the key may do; every key may read */
            scopes: ("sandboxes" | "templates" | "read")[];
            /** @description Team id */
            team_id: string;
        };
        /** AuditLog */
        AuditLog: {
            /**
             * @description `sandbox` `create`: a sandbox was created, or did not start (status `error`); `sandbox` `pause`: a sandbox was paused, by somebody or by itself (actor `system`); `sandbox` `resume`: a paused sandbox was resumed; `sandbox` `rollback`: a sandbox was returned to its last pause; `sandbox` `fork`: a sandbox was made as the copy of another; `sandbox` `update`: settings of a sandbox were changed; `sandbox` `destroy`: a sandbox was destroyed, by somebody or by itself; `sandbox` `stop`: a sandbox ended though nobody asked for it; `sandbox` `missing`: the host of a sandbox does not answer; `sandbox` `exec`: a command was started in a sandbox, unless the team leaves that out; `sandbox` `join_process`: somebody joined a command of a sandbox, unless the team leaves that out; `sandbox` `signal_process`: a command of a sandbox was sent a signal; `sandbox` `end_process`: a command of a sandbox was told to end; `sandbox` `write_file`: a file, or a directory as an archive, was written into a sandbox; `sandbox` `make_directory`: a directory was made in a sandbox; `sandbox` `move_file`: a file or a directory of a sandbox has another place or name; `sandbox` `remove_file`: a file or a directory of a sandbox was removed; `sandbox` `found`: the host of a missing sandbox answers again; `snapshot` `create`: a template was made of a sandbox; `snapshot` `delete`: a template was deleted; `team` `create`: the team was made; `team` `rename`: the team has another name; `team` `update`: settings of the team were changed; `team` `transfer`: another member became the owner; `team` `set_byoc`: it was decided whether the team brings its own hosts; `team` `delete`: the team was deleted; `member` `add`: a user was added to the team; `member` `role_update`: a member has another role; `member` `remove`: a member was removed; `member` `leave`: a member left the team; `api_key` `create`: an API key was made; `api_key` `revoke`: an API key was revoked; `quota` `update`: limits of the team were set; `quota` `refuse`: something was refused since it exceeds the team's quota; `quota` `limit_usage`: what the team may use in a month was set; `quota` `warn`: the team has used as much in a month as it is warned of; `quota` `reach_limit`: the team has used all that it may in a month: its sandboxes are paused; `user` `sign_up`: somebody made an account; `user` `log_in`: a user signed in; `user` `log_in_failed`: somebody tried to sign in with a wrong password; `user` `log_out`: a user ended a session; `user` `log_out_everywhere`: a user ended all sessions; `user` `password_change`: a user has set another password; `user` `password_reset`: a user has another password, by the operator or by a mail; `user` `verify_email`: a user has shown to read the mails to the address of the account; `user` `provider_link`: a user can sign in through a provider; `user` `provider_unlink`: a user can no longer sign in through a provider; `user` `delete`: a user has deleted the account; `user` `deactivate`: an administrator has shut a user out; `user` `activate`: a user who was shut out may sign in again; `user` `grant`: a user may administer the platform, or a part of it; `user` `revoke`: a user may no longer administer the platform, or a part of it; `host` `create`: a host was made known; `host` `issue_token`: a token was made with which a host can register; `host` `register`: a host took up its registration; `host` `delete`: a host was deleted; `host` `drain`: a host is to take no new sandboxes; `host` `set_offline`: a host was taken out of service; `host` `set_online`: a host is to take sandboxes again; `host` `marked_up`: a host answers; `host` `marked_down`: a host does not answer; `webhook` `create`: a webhook was made; `webhook` `update`: settings of a webhook were changed; `webhook` `delete`: a webhook was deleted; `webhook` `rotate_secret`: a webhook has another secret; `webhook` `test`: a webhook was sent a test message; `webhook` `redeliver`: a message was sent to a webhook again; `webhook` `give_up`: a message to a webhook was given up, the first since it fails; `webhook` `disable`: a webhook was switched off, since it has failed for long or too much waited for it; `signing_key` `rotate`: session tokens are signed with another key
             * @enum {unknown}
             */
            action: "create" | "pause" | "resume" | "rollback" | "fork" | "update" | "destroy" | "stop" | "missing" | "exec" | "join_process" | "signal_process" | "end_process" | "write_file" | "make_directory" | "move_file" | "remove_file" | "found" | "delete" | "rename" | "transfer" | "set_byoc" | "add" | "role_update" | "remove" | "leave" | "revoke" | "refuse" | "limit_usage" | "warn" | "reach_limit" | "sign_up" | "log_in" | "log_in_failed" | "log_out" | "log_out_everywhere" | "password_change" | "password_reset" | "verify_email" | "provider_link" | "provider_unlink" | "deactivate" | "activate" | "grant" | "issue_token" | "register" | "drain" | "set_offline" | "set_online" | "marked_up" | "marked_down" | "rotate_secret" | "test" | "redeliver" | "give_up" | "disable" | "rotate";
            /** @description Id of the user or API key; absent for `system` */
            actor_id?: string;
            /** @description Name of the user or API key at that time; of `system`, `operator` for the operator of the server, and absent for the server itself */
            actor_name?: string;
            /** @enum {unknown} */
            actor_type: "user" | "api_key" | "system";
            /** Format: date-time */
            created_at: string;
            /** @description Event id */
            id: string;
            /** @description What else there is to know, by name */
            metadata?: {
                [key: string]: unknown;
            };
            /** @description Id, or name, of what it happened to */
            resource_id?: string;
            /** @enum {unknown} */
            resource_type: "sandbox" | "snapshot" | "team" | "member" | "api_key" | "quota" | "user" | "host" | "webhook" | "signing_key";
            /**
             * @description `admin`: only the owner and admins see it
             * @enum {unknown}
             */
            scope: "team" | "admin";
            /** @enum {unknown} */
            status: "success" | "info" | "warning" | "error";
        };
        /** AuditPage */
        AuditPage: {
            items: components["schemas"]["AuditLog"][];
            /** @description What to give as `cursor` for the next page; absent when this is the last one */
            next_cursor?: string;
        };
        /** AuthResponse */
        AuthResponse: {
            email: string;
            /**
             * Format: date-time
             * @description When the session ends by itself
             */
            expires_at: string;
            /** @description Whether the user is an administrator of the platform */
            is_admin: boolean;
            name: string;
            /**
             * @description Role in the team
             * @enum {unknown}
             */
            role: "owner" | "admin" | "member";
            /** @description Team id */
            team_id: string;
            /** @description Session token for `Authorization: Bearer`; absent when a cookie holds the session */
            token?: string;
            /** @description User id */
            user_id: string;
        };
        /** ChangePassword */
        ChangePassword: {
            /** @description Required when the account has a password */
            current_password?: string;
            /** @description At least 8 characters, at most 72 bytes */
            new_password: string;
        };
        /** ConfirmEmail */
        ConfirmEmail: {
            /** @description Token of the mail */
            token: string;
        };
        /** ConfirmPasswordReset */
        ConfirmPasswordReset: {
            /** @description At least 8 characters, at most 72 bytes */
            password: string;
            /** @description Token of the link */
            token: string;
        };
        /** ConnectProvider */
        ConnectProvider: {
            /** @description Required when the account has a password */
            password?: string;
        };
        /** ConnectUrl */
        ConnectUrl: {
            /** Format: uri */
            url: string;
        };
        /** CreateApiKey */
        CreateApiKey: {
            /**
             * Format: date-time
             * @description When the key ends by itself; absent = never
             */
            expires_at?: string;
            /**
             * @description No control characters
             * @default Unnamed API Key
             */
            name?: string;
            scopes?: ("sandboxes" | "templates" | "read")[];
        };
        /** CreateHost */
        CreateHost: {
            /** @description Where the machine stands, in your own words */
            availability_zone?: string;
            /** @description Where the machine comes from, in your own words */
            provider?: string;
            /** @description Team id */
            team_id?: string;
            /**
             * @description `regular`: shared by all teams; `byoc`: of one team alone
             * @enum {unknown}
             */
            type: "regular" | "byoc";
        };
        /** CreateSandbox */
        CreateSandbox: {
            /**
             * @description A call that needs the sandbox resumes it when it is paused
             * @default false
             */
            auto_resume?: boolean;
            /** @description Environment variables by name */
            env?: {
                [key: string]: string;
            };
            /**
             * @description Tags that its host must have, all of them; refused when no host has one of them
             * @default []
             */
            host_tags?: string[];
            /** @description Seconds after which the sandbox ends, from when it runs, unless its lease is renewed; default: no lease */
            lease_sec?: number;
            /** @description Memory in MiB; default: 512, or that of a template that fixes it */
            memory_mb?: number;
            /** @description Texts by key that the caller keeps with the sandbox, and may list by */
            metadata?: {
                [key: string]: string;
            };
            /** @description Name, of which the team's live sandboxes have each another */
            name?: string;
            /**
             * @description What inactivity leads to
             * @default pause
             * @enum {unknown}
             */
            on_timeout?: "pause" | "destroy";
            /**
             * @description Template to start from
             * @default minimal
             */
            template?: string;
            /**
             * @description Seconds of inactivity before `on_timeout` happens; 0 = never
             * @default 0
             */
            timeout_sec?: number;
            /** @description Virtual CPUs; default: 1, or those of a template that fixes them */
            vcpus?: number;
        };
        /** CreateTeam */
        CreateTeam: {
            /** @description 1 to 128 letters a to z, digits, blanks and any of _ - @ ' */
            name: string;
        };
        /** CreateTemplate */
        CreateTemplate: {
            /** @description Name of the template; a generated one when absent */
            name?: string;
            /** @description Running or paused sandbox to make the template of */
            sandbox_id: string;
        };
        /** CreateWebhook */
        CreateWebhook: {
            /** @default true */
            enabled?: boolean;
            /** @description What it is told of: `*`, all events of a kind such as `sandbox.*`, or single ones */
            events: ("*" | "sandbox.*" | "template.*" | "api_key.*" | "member.*" | "team.*" | "quota.*" | "host.*" | "sandbox.created" | "sandbox.changed" | "sandbox.deleted" | "template.created" | "template.changed" | "template.deleted" | "api_key.created" | "api_key.changed" | "api_key.deleted" | "member.created" | "member.changed" | "member.deleted" | "team.created" | "team.changed" | "team.deleted" | "quota.created" | "quota.changed" | "quota.deleted" | "host.created" | "host.changed" | "host.deleted")[];
            /**
             * @description `standard`: signed JSON (Standard Webhooks); `slack`, `discord`, `teams`, `matrix`: a text as incoming webhooks of these take it
             * @default standard
             * @enum {unknown}
             */
            format?: "standard" | "slack" | "discord" | "teams" | "matrix";
            name: string;
            /** @description Where messages are sent by POST */
            url: string;
        };
        /** DeleteMe */
        DeleteMe: {
            /** @description Required when the account has a password */
            password?: string;
        };
        /** DeletionPreview */
        DeletionPreview: {
            /**
             * @description What `DELETE /v1/me` asks for: the password of the account, or, when it has none, a session that was opened in the last 10 minutes
             * @enum {unknown}
             */
            confirm_with: "password" | "recent_login";
            /** @description Whether no team stands in the way */
            possible: boolean;
            teams: {
                api_keys: number;
                name: string;
                other_members: number;
                /**
                 * @description `deleted`: nobody else is in it, so it goes with all it has. `left`: it goes on without the user. `blocks`: the user owns it and others are in it, so it must be transferred or deleted first
                 * @enum {unknown}
                 */
                outcome: "deleted" | "left" | "blocks";
                /**
                 * @description Role in the team
                 * @enum {unknown}
                 */
                role: "owner" | "admin" | "member";
                /** @description Sandboxes that are not ended */
                sandboxes: number;
                slug: string;
                /** @description Team id */
                team_id: string;
                templates: number;
            }[];
        };
        /** Error */
        Error: {
            error: {
                /**
                 * @description Code of the error catalogue: the contract
                 * @enum {string}
                 */
                code: "invalid_request" | "unauthorized" | "forbidden" | "no_team" | "account_deactivated" | "recent_login_required" | "signup_closed" | "not_found" | "provider_not_found" | "template_not_found" | "file_not_found" | "process_not_found" | "invalid_path" | "method_not_allowed" | "request_timeout" | "file_forbidden" | "file_error" | "conflict" | "already_exists" | "email_taken" | "owns_team_with_members" | "last_login_method" | "link_invalid" | "invalid_state" | "too_large" | "unsupported_encoding" | "misdirected_request" | "rate_limited" | "quota_exceeded" | "upgrade_required" | "headers_too_large" | "internal_error" | "method_not_implemented" | "host_outdated" | "agent_error" | "boot_failed" | "guest_unreachable" | "mail_not_configured" | "provider_unavailable" | "mail_failed" | "has_active_sandboxes" | "host_unavailable" | "database_unavailable" | "server_stopping" | "server_unreachable" | "command_timed_out" | "no_hosts_available" | "host_full" | "snapshot_damaged" | "snapshot_incompatible" | "image_build_failed" | "guest_exhausted" | "disk_full" | "host_disk_full";
                /** @description What happened and what to do, for people; may change */
                message: string;
            };
        };
        /** ExecRequest */
        ExecRequest: {
            /** @description Arguments, passed as they are */
            args?: string[];
            /**
             * @description The command lives on when its client leaves, and the newest 1048576 bytes of its output are kept for clients that attach later, for an hour after its end
             * @default false
             */
            background?: boolean;
            /** @description Program, looked up in PATH, or its path */
            cmd: string;
            /** @description Working directory; default: the user's home */
            cwd?: string;
            /** @description Environment variables by name */
            env?: {
                [key: string]: string;
            };
            /** @description Standard input, at most 1048576 bytes; default: none */
            stdin?: string;
            /**
             * @description How `stdin` is written
             * @default utf-8
             * @enum {unknown}
             */
            stdin_encoding?: "utf-8" | "base64";
            /** @description Name by which the command can be found; one that another command of the sandbox has, which lives, is refused */
            tag?: string;
            /** @description Terminal of a command in the background, whose input is what attached clients type. Default: none, and no input */
            terminal?: {
                cols: number;
                rows: number;
            };
            /**
             * @description Seconds after which the command is ended: by SIGTERM, and a few seconds later by SIGKILL; 0 = no limit but the end of the client's connection
             * @default 0
             */
            timeout_sec?: number;
            /** @description User of the image, with that user's rights; default: the sandbox's default user */
            user?: string;
        };
        /** ExecResult */
        ExecResult: {
            cmd: string;
            duration_ms: number;
            /** @enum {unknown} */
            encoding: "utf-8" | "base64";
            /** @description Exit status; 128 + n when signal n ended the command */
            exit_code: number;
            out_of_memory?: components["schemas"]["OutOfMemory"];
            sandbox_id: string;
            /** @description Name of the signal that ended the command, such as SIGKILL */
            signal?: string;
            stderr: string;
            /** @description Whether more than 16777216 bytes were written */
            stderr_truncated: boolean;
            stdout: string;
            /** @description Whether more than 16777216 bytes were written */
            stdout_truncated: boolean;
            /** @description Whether it was ended because timeout_sec passed */
            timed_out: boolean;
        };
        /** Family */
        Family: {
            /** @description Whether all is told: of more than 2000 the newest are, with what they were made of as far as it fits */
            complete: boolean;
            /** @description The oldest first */
            nodes: ({
                /** Format: date-time */
                created_at: string;
                /** Format: date-time */
                ended_at?: string;
                id: string;
                /** @enum {string} */
                kind: "template";
                name: string;
                /** @description Id of what it was made of; absent where that is nothing, or not known */
                parent?: string;
                /** @description Bytes on disk, while it is there */
                size_bytes?: number;
                /** @enum {unknown} */
                type: "base" | "snapshot";
            } | {
                /** Format: date-time */
                created_at: string;
                /** @description Bytes on disk that it took when it was paused last */
                disk_bytes: number;
                /** Format: date-time */
                ended_at?: string;
                id: string;
                /** @enum {string} */
                kind: "sandbox";
                name?: string;
                /** @description Id of what it was made of; absent where that is nothing, or not known */
                parent?: string;
                /** @enum {unknown} */
                status: "pending" | "starting" | "running" | "pausing" | "paused" | "resuming" | "stopping" | "missing" | "stopped" | "error";
                /** @description Name that its template had */
                template: string;
            })[];
        };
        /** FileEntry */
        FileEntry: {
            group: string;
            /** @description Permission bits in octal, with those for set-user-ID, set-group-ID and the sticky bit; for a link those of what it leads to */
            mode: string;
            /** Format: date-time */
            modified_at: string;
            name: string;
            owner: string;
            /** @description Absolute path. One of more than 4095 bytes, which a list may have, cannot be named in requests */
            path: string;
            /** @description Bytes */
            size: number;
            /** @description What a link holds */
            target?: string;
            /** @enum {unknown} */
            type: "file" | "directory" | "symlink" | "other";
        };
        /** FileList */
        FileList: {
            entries: components["schemas"]["FileEntry"][];
            /** @description There are more: list again with this as `after` */
            next?: string;
        };
        /** ForkSandbox */
        ForkSandbox: {
            /** @default 1 */
            count?: number;
        };
        /** FoundUser */
        FoundUser: {
            email: string;
            /** @description Whether it was shown that the address is the user's, by a provider or a mail */
            email_verified: boolean;
            /** @description User id */
            user_id: string;
        };
        /** Health */
        Health: {
            /** @enum {string} */
            status: "ok";
            /** @description Version of Warren */
            version: string;
        };
        /** Heartbeat */
        Heartbeat: {
            /** @description What runs its microVMs: kvm or tcg */
            accelerator?: string;
            /** @description Processor architecture, such as amd64 */
            arch?: string;
            /** @description Processors */
            cpu_cores?: number;
            /** @description GiB that were free on the disk of its sandboxes */
            disk_gb?: number;
            /** @description Why it emulates their processors in software, where it does, and has no KVM for them */
            emulation_reason?: string;
            load?: components["schemas"]["HostLoad"];
            /** @description MiB of memory */
            memory_mb?: number;
            templates?: components["schemas"]["HeldTemplate"][];
            /** @description Version of the host agent */
            version?: string;
            /** @description Virtual machine monitor of its microVMs, and its version */
            vmm?: string;
        };
        /** HeartbeatAnswer */
        HeartbeatAnswer: {
            /** @description Why the host did not answer at its address. It takes no sandboxes until it does; it is called again and again */
            unreached: string;
        };
        /** HeldTemplate */
        HeldTemplate: {
            name: string;
            /** @description Which of the templates that have had the name; absent where it is built in */
            snapshot_id?: string;
            /** @description UUID of its team; absent = built in */
            team_id?: string;
        };
        /** Host */
        Host: {
            accelerator?: string;
            /** @description Absent until the host has registered */
            address?: string;
            arch?: string;
            availability_zone?: string;
            cpu_cores?: number;
            /** Format: date-time */
            created_at: string;
            /** @description User id */
            created_by?: string;
            disk_gb?: number;
            /** @description Why its microVMs are emulated in software, which is slow */
            emulation_reason?: string;
            /** @description Host id */
            id: string;
            /** Format: date-time */
            last_heartbeat_at?: string;
            load?: components["schemas"]["HostLoad"];
            memory_mb?: number;
            provider?: string;
            /** @enum {unknown} */
            status: "pending" | "online" | "unreachable" | "offline" | "draining";
            /** @description Team id */
            team_id?: string;
            /** @enum {unknown} */
            type: "regular" | "byoc";
            /** Format: date-time */
            updated_at: string;
            /** @description Version of the host agent */
            version?: string;
            /** @description Virtual machine monitor of its microVMs, and its version */
            vmm?: string;
        };
        /** HostCredentials */
        HostCredentials: {
            /** @description Of who has signed it, and signs those of control planes. Comes with `cert_pem` */
            ca_cert_pem?: string;
            /** @description For the key of `csr_pem`; it names the host and lasts 7 days. Absent unless it was asked for */
            cert_pem?: string;
            host: components["schemas"]["Host"];
            refresh_token: string;
            /** @description For the header X-Host-Token */
            token: string;
        };
        /** HostDeletePreview */
        HostDeletePreview: {
            host: components["schemas"]["Host"];
            /** @description Sandboxes on it that are not over */
            sandbox_ids: string[];
            /** @description Names of templates whose files only this host has */
            templates: string[];
        };
        /** HostDetails */
        HostDetails: {
            accelerator?: string;
            /** @description Absent until the host has registered */
            address?: string;
            arch?: string;
            availability_zone?: string;
            cpu_cores?: number;
            /** Format: date-time */
            created_at: string;
            /** @description User id */
            created_by?: string;
            disk_gb?: number;
            /** @description Why its microVMs are emulated in software, which is slow */
            emulation_reason?: string;
            /** @description Host id */
            id: string;
            /** Format: date-time */
            last_heartbeat_at?: string;
            load?: components["schemas"]["HostLoad"];
            memory_mb?: number;
            provider?: string;
            /** @enum {unknown} */
            status: "pending" | "online" | "unreachable" | "offline" | "draining";
            /** @description Team id */
            team_id?: string;
            /** @description As of its last heartbeat; without a team those that are built in */
            templates: {
                name: string;
                /** @description Team id */
                team_id?: string;
            }[];
            /** @enum {unknown} */
            type: "regular" | "byoc";
            /** Format: date-time */
            updated_at: string;
            /** @description Version of the host agent */
            version?: string;
            /** @description Virtual machine monitor of its microVMs, and its version */
            vmm?: string;
        };
        /** HostInUse */
        HostInUse: {
            error: {
                /**
                 * @description Code of the error catalogue: the contract
                 * @enum {string}
                 */
                code: "invalid_request" | "unauthorized" | "forbidden" | "no_team" | "account_deactivated" | "recent_login_required" | "signup_closed" | "not_found" | "provider_not_found" | "template_not_found" | "file_not_found" | "process_not_found" | "invalid_path" | "method_not_allowed" | "request_timeout" | "file_forbidden" | "file_error" | "conflict" | "already_exists" | "email_taken" | "owns_team_with_members" | "last_login_method" | "link_invalid" | "invalid_state" | "too_large" | "unsupported_encoding" | "misdirected_request" | "rate_limited" | "quota_exceeded" | "upgrade_required" | "headers_too_large" | "internal_error" | "method_not_implemented" | "host_outdated" | "agent_error" | "boot_failed" | "guest_unreachable" | "mail_not_configured" | "provider_unavailable" | "mail_failed" | "has_active_sandboxes" | "host_unavailable" | "database_unavailable" | "server_stopping" | "server_unreachable" | "command_timed_out" | "no_hosts_available" | "host_full" | "snapshot_damaged" | "snapshot_incompatible" | "image_build_failed" | "guest_exhausted" | "disk_full" | "host_disk_full";
                /** @description What happened and what to do, for people; may change */
                message: string;
                /** @description Sandboxes on it that are not over */
                sandbox_ids: string[];
                /** @description Names of templates whose files only this host has */
                templates: string[];
            };
        };
        /** HostLoad */
        HostLoad: {
            /** @description Load average of the last minute */
            cpu_load: number;
            /** @description MiB of disk that sandboxes may still take */
            disk_mb_left: number;
            /** @description MiB of guest memory that may be promised */
            memory_mb_limit: number;
            /** @description MiB of guest memory that are promised */
            memory_mb_taken: number;
            /** @description Sandboxes that are paused on it */
            paused: number;
            /** @description Sandboxes with a microVM */
            running: number;
            /** @description Sandboxes that may have a microVM at the same time */
            sandboxes_limit: number;
        };
        /** HostTag */
        HostTag: {
            tag: string;
        };
        /** HostToken */
        HostToken: {
            /** @description Shown only here; works once and for an hour */
            registration_token: string;
        };
        /** LinkedProvider */
        LinkedProvider: {
            /** @description Whether this server offers it at present */
            available: boolean;
            /** @description Address that the provider named when it was linked */
            email?: string;
            /** @description Name for people */
            label: string;
            /** @description Whether the account can be signed in to through it */
            linked: boolean;
            /** Format: date-time */
            linked_at?: string;
            /** @description Name in paths */
            name: string;
        };
        /** ListFiles */
        ListFiles: {
            /** @description The `next` of an answer, or the path of an entry: only those behind it are listed */
            after?: string;
            /**
             * @description Levels of directories
             * @default 1
             */
            depth?: number;
            /**
             * @description Entries of the answer at most
             * @default 200
             */
            limit?: number;
            /** @description Path in the sandbox; a relative one starts at the user's home, which an empty one is */
            path: string;
            /** @description User of the image, with that user's rights; default: the sandbox's default user */
            user?: string;
        };
        /** LogIn */
        LogIn: {
            /**
             * @description For browsers: put the session into an HttpOnly cookie and leave `token` out of the answer, so that no script can read it
             * @default false
             */
            cookie?: boolean;
            /** @description E-mail address */
            email: string;
            password: string;
        };
        /** MakeDirectory */
        MakeDirectory: {
            /**
             * @description Make missing directories above it too, and take one that is there for made
             * @default false
             */
            parents?: boolean;
            /** @description Path in the sandbox; a relative one starts at the user's home, which an empty one is */
            path: string;
            /** @description User of the image, with that user's rights; default: the sandbox's default user */
            user?: string;
        };
        /** Me */
        Me: {
            email: string;
            /** @description Whether it was shown that the address is the user's, by a provider or a mail */
            email_verified: boolean;
            /** @description Whether the account can sign in with a password */
            has_password: boolean;
            /** @description Whether the user is an administrator of the platform */
            is_admin: boolean;
            name: string;
            /** @description OAuth providers through which the account can sign in */
            providers: string[];
            /** @description Team of the session; absent when the user has left it or it is deleted */
            team?: {
                is_byoc: boolean;
                name: string;
                /**
                 * @description Role in the team
                 * @enum {unknown}
                 */
                role: "owner" | "admin" | "member";
                slug: string;
                /** @description Team id */
                team_id: string;
            };
            /** @description User id */
            user_id: string;
        };
        /** Member */
        Member: {
            email: string;
            /** @description Whether it was shown that the address is the user's, by a provider or a mail */
            email_verified: boolean;
            /** Format: date-time */
            joined_at: string;
            name: string;
            /**
             * @description Role in the team
             * @enum {unknown}
             */
            role: "owner" | "admin" | "member";
            /** @description User id */
            user_id: string;
        };
        /**
         * MetricSeries
         * @description Means over each bucket; seven lists of one length
         */
        MetricSeries: {
            /** @description Processor time of its microVM; 100 = one processor all the time */
            cpu_percent: number[];
            /** @description Bytes on the host's disk that are its own, beyond those of its template */
            disk_bytes: number[];
            /** @description Begin of each bucket, ascending. Those in which nothing was measured are left out */
            labels: string[];
            /** @description MiB of memory in use in the guest, as the agent in it says; null where it said nothing */
            memory_mb: (number | null)[];
            /** @description Bytes that its network card received in a second, headers included */
            rx_bytes_per_s: number[];
            /** @description Bytes that its network card sent in a second, headers included */
            tx_bytes_per_s: number[];
            /** @description MiB of the host's memory that its microVM had, its guest's among them */
            vmm_memory_mb: number[];
        };
        /** MoveFile */
        MoveFile: {
            /** @description New path; one that ends with / or is a directory means into it */
            destination: string;
            /**
             * @description Replace a file that is there
             * @default false
             */
            overwrite?: boolean;
            /** @description Path in the sandbox; a relative one starts at the user's home */
            path: string;
            /** @description User of the image, with that user's rights; default: the sandbox's default user */
            user?: string;
        };
        /** NewApiKey */
        NewApiKey: {
            /** Format: date-time */
            created_at: string;
            /** @description User id */
            created_by?: string;
            /** @description Absent for the key that the server made itself */
            creator_email?: string;
            /** Format: date-time */
            expires_at?: string;
            id: string;
            /** @description The secret; it is shown only here */
            key: string;
            /** @description First 12 characters of the key */
            key_prefix: string;
            /** Format: date-time */
            last_used?: string;
            name: string;
            /** @description What the key may do; every key may read */
            scopes: ("sandboxes" | "templates" | "read")[];
            /** @description Team id */
            team_id: string;
        };
        /** NewHost */
        NewHost: {
            host: components["schemas"]["Host"];
            /** @description Shown only here; works once and for an hour */
            registration_token: string;
        };
        /** NewWebhook */
        NewWebhook: {
            /** Format: date-time */
            created_at: string;
            /** @description User id */
            created_by?: string;
            /**
             * @description Why the server has switched it off: `failing`: no delivery has succeeded for three days; `queue_full`: 10000 deliveries were waiting
             * @enum {unknown}
             */
            disabled_reason?: "failing" | "queue_full";
            /** @description Whether it is told of what happens from now on, and waiting deliveries go on */
            enabled: boolean;
            /** @description What it is told of: `*`, all events of a kind such as `sandbox.*`, or single ones */
            events: ("*" | "sandbox.*" | "template.*" | "api_key.*" | "member.*" | "team.*" | "quota.*" | "host.*" | "sandbox.created" | "sandbox.changed" | "sandbox.deleted" | "template.created" | "template.changed" | "template.deleted" | "api_key.created" | "api_key.changed" | "api_key.deleted" | "member.created" | "member.changed" | "member.deleted" | "team.created" | "team.changed" | "team.deleted" | "quota.created" | "quota.changed" | "quota.deleted" | "host.created" | "host.changed" | "host.deleted")[];
            /**
             * Format: date-time
             * @description First failure since the last success
             */
            failing_since?: string;
            /**
             * @description `standard`: signed JSON (Standard Webhooks); `slack`, `discord`, `teams`, `matrix`: a text as incoming webhooks of these take it
             * @enum {unknown}
             */
            format: "standard" | "slack" | "discord" | "teams" | "matrix";
            id: string;
            /** @description The newest message of its log, and when that was tried last, or noted; in lists alone */
            last_delivery?: {
                /** Format: date-time */
                at: string;
                /** @enum {unknown} */
                status: "pending" | "delivered" | "failed";
            };
            name: string;
            /**
             * Format: date-time
             * @description Until when messages have a signature of the former secret as well
             */
            previous_secret_valid_until?: string;
            /** @description What signatures are made with; it is shown only here */
            secret: string;
            /** @description Absent for one of the platform */
            team_id?: string;
            /** Format: date-time */
            updated_at: string;
            /** @description Where messages are sent by POST */
            url: string;
        };
        /** OAuthProvider */
        OAuthProvider: {
            /** @description Name for people */
            label: string;
            /** @description Name in the paths `/v1/auth/oauth/{provider}` */
            name: string;
        };
        /**
         * OutOfMemory
         * @description A process of the command that was killed because memory ran out
         */
        OutOfMemory: {
            /** @description Its id in the sandbox; 0 when it is not known */
            pid: number;
            /** @description Its name, as the kernel has it; empty when it is not known */
            process: string;
        };
        /** Process */
        Process: {
            /** @description Its arguments; what is very long is cut */
            args: string[];
            /** @description Whether it lives on without clients, and its output is kept */
            background: boolean;
            /** @description Program */
            cmd: string;
            /** @description Processor time of all its processes, milliseconds; 0 when it has ended */
            cpu_ms: number;
            /** @description Working directory, when one was asked for */
            cwd?: string;
            /** @description How it ended; absent while it lives */
            exit?: {
                /** Format: date-time */
                ended_at: string;
                /** @description Exit status; 128 + n when signal n ended the command */
                exit_code: number;
                out_of_memory?: components["schemas"]["OutOfMemory"];
                /** @description Name of the signal that ended the command, such as SIGKILL */
                signal?: string;
                /** @description Whether it was ended because timeout_sec passed */
                timed_out?: boolean;
            };
            /** @description Memory of all its processes; 0 when it has ended */
            memory_bytes: number;
            /** @description Bytes of output so far, stdout and stderr together */
            output_bytes: number;
            /** @description Where in its output what is kept begins */
            output_from: number;
            /** @description Its process id in the sandbox */
            pid: number;
            /** Format: date-time */
            started_at: string;
            tag?: string;
            /** @description Whether it runs in a terminal */
            terminal: boolean;
            user: string;
        };
        /** Processes */
        Processes: components["schemas"]["Process"][];
        /** ReadFile */
        ReadFile: {
            /** @description Path in the sandbox; a relative one starts at the user's home, which an empty one is */
            path: string;
            /** @description User of the image, with that user's rights; default: the sandbox's default user */
            user?: string;
        };
        /** RefreshHost */
        RefreshHost: {
            /**
             * @description Certificate request (PKCS #10, PEM) for a new ECDSA key on P-256, of which nothing but the key counts; a must for an https address
             * @example -----BEGIN CERTIFICATE REQUEST-----
             *     MIG4MGICAQAwADBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABKq02/ho0MO7HoBl
             *     eha1OXfITUCvnipLaD8EiBbglNa7o2Ym+kXdaZKKZd0jnBT9j3OuAokIwi25ms74
             *     3PyirXagADAKBggqhkjOPQQDAgNGADBDAiBGmNb9lt8USTUVc7DFQsnvIZBp4TBm
             *     Fn1ih/YIHAJyCwIfZRpi05OWn0Yoqf3titxv7wxO1ZxWOMkepaDE0AlDiQ==
             *     -----END CERTIFICATE REQUEST-----
             */
            csr_pem?: string;
            refresh_token: string;
        };
        /** RegisterHost */
        RegisterHost: {
            /** @description What runs its microVMs: kvm or tcg */
            accelerator?: string;
            /** @description Where the control plane reaches the host agent: https://HOST:PORT, or unix:PATH on its own machine. Of a host that a team's own admins have made known HOST is an IP address, public or in one of the platform's networks for such hosts */
            address: string;
            /** @description Processor architecture, such as amd64 */
            arch?: string;
            /** @description Processors */
            cpu_cores?: number;
            /**
             * @description Certificate request (PKCS #10, PEM) for a new ECDSA key on P-256, of which nothing but the key counts; a must for an https address
             * @example -----BEGIN CERTIFICATE REQUEST-----
             *     MIG4MGICAQAwADBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABKq02/ho0MO7HoBl
             *     eha1OXfITUCvnipLaD8EiBbglNa7o2Ym+kXdaZKKZd0jnBT9j3OuAokIwi25ms74
             *     3PyirXagADAKBggqhkjOPQQDAgNGADBDAiBGmNb9lt8USTUVc7DFQsnvIZBp4TBm
             *     Fn1ih/YIHAJyCwIfZRpi05OWn0Yoqf3titxv7wxO1ZxWOMkepaDE0AlDiQ==
             *     -----END CERTIFICATE REQUEST-----
             */
            csr_pem?: string;
            /** @description GiB that were free on the disk of its sandboxes */
            disk_gb?: number;
            /** @description Why it emulates their processors in software, where it does, and has no KVM for them */
            emulation_reason?: string;
            load?: components["schemas"]["HostLoad"];
            /** @description MiB of memory */
            memory_mb?: number;
            templates?: components["schemas"]["HeldTemplate"][];
            /** @description The registration token; it works once */
            token: string;
            /** @description Version of the host agent */
            version?: string;
            /** @description Virtual machine monitor of its microVMs, and its version */
            vmm?: string;
        };
        /** RemoveFile */
        RemoveFile: {
            /** @description Path in the sandbox; a relative one starts at the user's home */
            path: string;
            /**
             * @description Remove a directory with all that is in it, and be content when nothing is there
             * @default false
             */
            recursive?: boolean;
            /** @description User of the image, with that user's rights; default: the sandbox's default user */
            user?: string;
        };
        /** RequestPasswordReset */
        RequestPasswordReset: {
            /** @description E-mail address */
            email: string;
        };
        /** ResumeSandbox */
        ResumeSandbox: {
            /** @description Seconds of inactivity before the timeout happens again; as before when absent */
            timeout_sec?: number;
        };
        /** Sandbox */
        Sandbox: {
            /** @description A call that needs the sandbox resumes it when it is paused */
            auto_resume: boolean;
            /** Format: date-time */
            created_at: string;
            /** @description Bytes on disk that the sandbox took when it was paused last, beyond those of its template */
            disk_bytes: number;
            /** @description Why the status is `error` */
            error?: string;
            /** @description Id of the sandbox of which it is a copy; that one may be over */
            forked_from?: string;
            /** @description Address at which root reaches the sandbox from its host */
            host_ip?: string;
            /** @description Tags that its host must have, all of them; refused when no host has one of them */
            host_tags: string[];
            id: string;
            /** Format: date-time */
            last_active_at?: string;
            /** Format: date-time */
            last_updated: string;
            /** Format: date-time */
            lease_expires_at?: string;
            /** @description Memory in MiB; default: 512, or that of a template that fixes it */
            memory_mb: number;
            metadata: {
                [key: string]: string;
            };
            name?: string;
            /**
             * @description What inactivity leads to
             * @enum {unknown}
             */
            on_timeout: "pause" | "destroy";
            /** @description Why the sandbox is in its status, or not well: whatever is paused, stopped, missing or failed has one, and of those that run the ones that are not well */
            reason?: {
                /** Format: date-time */
                at: string;
                /**
                 * @description `requested`: somebody asked for it; the message says who; `inactivity`: nothing has used the sandbox for `timeout_sec` seconds; `guest_powered_off`: the system in the sandbox powered itself off; `guest_rebooted`: the system in the sandbox rebooted; a microVM ends with that; `guest_panicked`: the kernel in the sandbox panicked. One that was told to stay then leaves the sandbox `running` until it is rolled back to its last pause or destroyed; `guest_hung`: the system in the sandbox has hung: its kernel makes no progress. It stays `running` until it is rolled back to its last pause or destroyed; `guest_unresponsive`: the agent in the sandbox, its process 1, has not answered for minutes, though the system does something or rests: it is stopped, cut off or gets no turn. The sandbox stays `running`, and says so until it answers a call or is rolled back; `out_of_memory`: the memory of the sandbox ran out and its kernel killed a process; the sandbox is `running`, and says so until it is paused or rolled back; `microvm_lost`: the microVM ended from outside: its process was killed or failed, or went with its host; `host_disk_full`: the host's disk is full and the sandbox went on writing; it goes on by itself when there is space; `host_disk_failed`: the host could not read or write the sandbox's disk; a resume tries again; `ended_by_operator`: the operator of the server ended all sandboxes (`warren down`); `host_lost`: the host of the sandbox has not answered for 90 seconds; it is back when its host is; `control_plane_lost`: the host of the sandbox had lost its control plane and paused it; nothing of it is lost, and a resume goes on where it stood; `start_failed`: the sandbox could not be started; the message says why; `lease_expired`: the client that made the sandbox did not renew its lease in time; `usage_limit`: the team has used all that it may in this month; it is resumed as any other once the next month begins or an administrator of the platform raises the limit
                 * @enum {unknown}
                 */
                code: "requested" | "inactivity" | "guest_powered_off" | "guest_rebooted" | "guest_panicked" | "guest_hung" | "guest_unresponsive" | "out_of_memory" | "microvm_lost" | "host_disk_full" | "host_disk_failed" | "ended_by_operator" | "host_lost" | "control_plane_lost" | "start_failed" | "lease_expired" | "usage_limit";
                /** @description The last lines that its kernel printed, when it panicked; written by the guest */
                console?: string;
                /** @description For people */
                message: string;
                /** @description Id of the person who asked for it, where one did */
                user_id?: string;
            };
            /** Format: date-time */
            started_at?: string;
            /** @enum {unknown} */
            status: "pending" | "starting" | "running" | "pausing" | "paused" | "resuming" | "stopping" | "missing" | "stopped" | "error";
            /** @description Template to start from */
            template: string;
            /** @description Seconds of inactivity before `on_timeout` happens; 0 = never */
            timeout_sec: number;
            /** @description Virtual CPUs; default: 1, or those of a template that fixes them */
            vcpus: number;
        };
        /** SandboxMetrics */
        SandboxMetrics: {
            /** @enum {unknown} */
            range: "5m" | "1h" | "6h" | "24h" | "30d";
            series: components["schemas"]["MetricSeries"];
        };
        /** SandboxPage */
        SandboxPage: {
            items: components["schemas"]["Sandbox"][];
            /** @description What to give as `cursor` for the next page; absent when this is the last one */
            next_cursor?: string;
        };
        /** SandboxStats */
        SandboxStats: {
            /** @description At this moment */
            current: {
                /** @description MiB of memory of sandboxes that run or start, and half of those that are paused, rounded up */
                memory_mb_reserved: number;
                /** @description Sandboxes that run or start */
                running_count: number;
                /** @description Virtual CPUs of sandboxes that run or start, and half of those that are paused, rounded up */
                vcpus_reserved: number;
            };
            /** @description Greatest values that were sampled in the last 30 days; each at a time of its own */
            peaks: {
                memory_mb: number;
                running_count: number;
                vcpus: number;
            };
            /** @enum {unknown} */
            range: "5m" | "1h" | "6h" | "24h" | "30d";
            /** @description Greatest values of each bucket, ascending; four lists of one length */
            series: {
                /** @description Begin of each bucket. Those of which nothing is known, since no server ran, are left out */
                labels: string[];
                /** @description Most MiB of memory that were reserved */
                memory_mb: number[];
                /** @description Most sandboxes that ran or started in each bucket */
                running: number[];
                /** @description Most virtual CPUs that were reserved */
                vcpus: number[];
            };
        };
        /** SetByoc */
        SetByoc: {
            is_byoc: boolean;
        };
        /** SetRole */
        SetRole: {
            /** @enum {unknown} */
            role: "admin" | "member";
        };
        /** SetTeamQuota */
        SetTeamQuota: {
            /** @description MiB stored for templates and paused sandboxes; null = the server's default */
            disk_mb?: number | null;
            /** @description MiB of memory of those sandboxes together; null = the server's default */
            memory_mb?: number | null;
            /** @description Sandboxes that exist and are not paused; null = the server's default */
            sandboxes?: number | null;
            /** @description Templates; null = the server's default */
            templates?: number | null;
            /** @description Virtual CPUs of those sandboxes together; null = the server's default */
            vcpus?: number | null;
        };
        /** SetUp */
        SetUp: {
            /**
             * @description For browsers: put the session into an HttpOnly cookie and leave `token` out of the answer, so that no script can read it
             * @default false
             */
            cookie?: boolean;
            /**
             * @description E-mail address; case and surrounding blanks do not matter
             * @example ada@example.org
             */
            email: string;
            /**
             * @description 1 to 100 characters after trimming, no control characters
             * @example Ada Lovelace
             */
            name: string;
            /** @description At least 8 characters, at most 72 bytes */
            password: string;
            /** @description Token of the link */
            token: string;
        };
        /** SetUsageLimits */
        SetUsageLimits: {
            /** @description Minutes of processor time in a month */
            cpu_minutes?: {
                limit?: number | null;
                warning?: number | null;
            };
            /** @description Bytes that network cards send in a month */
            egress_bytes?: {
                limit?: number | null;
                warning?: number | null;
            };
            /** @description Memory that is reserved in a month, MiB × minutes */
            memory_mb_minutes?: {
                limit?: number | null;
                warning?: number | null;
            };
        };
        /** SignalProcess */
        SignalProcess: {
            /** @enum {unknown} */
            signal: "SIGHUP" | "SIGINT" | "SIGQUIT" | "SIGILL" | "SIGTRAP" | "SIGABRT" | "SIGBUS" | "SIGFPE" | "SIGKILL" | "SIGUSR1" | "SIGSEGV" | "SIGUSR2" | "SIGPIPE" | "SIGALRM" | "SIGTERM" | "SIGSTKFLT" | "SIGCHLD" | "SIGCONT" | "SIGSTOP" | "SIGTSTP" | "SIGTTIN" | "SIGTTOU" | "SIGURG" | "SIGXCPU" | "SIGXFSZ" | "SIGVTALRM" | "SIGPROF" | "SIGWINCH" | "SIGIO" | "SIGPWR" | "SIGSYS";
        };
        /** SignInOptions */
        SignInOptions: {
            /** @description Whether a lost password can be replaced by a mail */
            password_reset: boolean;
            providers: components["schemas"]["OAuthProvider"][];
            /** @description Whether there is no account yet: the first one is made with the link that `warren up` and `warren admin link` print */
            setup: boolean;
            /** @description Whether anybody may make an account */
            sign_up: boolean;
        };
        /** SignUp */
        SignUp: {
            /**
             * @description For browsers: put the session into an HttpOnly cookie and leave `token` out of the answer, so that no script can read it
             * @default false
             */
            cookie?: boolean;
            /**
             * @description E-mail address; case and surrounding blanks do not matter
             * @example ada@example.org
             */
            email: string;
            /**
             * @description 1 to 100 characters after trimming, no control characters
             * @example Ada Lovelace
             */
            name: string;
            /** @description At least 8 characters, at most 72 bytes */
            password: string;
        };
        /** StartedProcess */
        StartedProcess: {
            /** @description Its process id in the sandbox */
            pid: number;
            /** @description Its tag, when it was given one */
            tag?: string;
        };
        /** StatFile */
        StatFile: {
            /** @description Path in the sandbox; a relative one starts at the user's home, which an empty one is */
            path: string;
            /** @description User of the image, with that user's rights; default: the sandbox's default user */
            user?: string;
        };
        /** SwitchTeam */
        SwitchTeam: {
            /** @description Team id */
            team_id: string;
        };
        /** Team */
        Team: {
            /** @description Whether only the owner and admins may make and revoke API keys */
            api_keys_by_admins: boolean;
            /** @description Whether the audit log tells of commands as they start in the team's sandboxes, with their arguments */
            audit_exec: boolean;
            /** Format: date-time */
            created_at: string;
            /** @description Team id */
            id: string;
            /** @description Whether the team's sandboxes run on hosts of its own */
            is_byoc: boolean;
            name: string;
            /**
             * @description Role in the team
             * @enum {unknown}
             */
            role: "owner" | "admin" | "member";
            /** @description Short name that never changes */
            slug: string;
        };
        /** TeamDetails */
        TeamDetails: {
            members: components["schemas"]["Member"][];
            team: components["schemas"]["Team"];
        };
        /** TeamMetrics */
        TeamMetrics: {
            /** @enum {unknown} */
            range: "5m" | "1h" | "6h" | "24h" | "30d";
            /** @description Those that are not over and of which something was measured, the newest 500 */
            sandboxes: {
                sandbox_id: string;
                series: components["schemas"]["MetricSeries"];
            }[];
        };
        /** TeamQuota */
        TeamQuota: {
            limits: {
                /** @description MiB stored for templates and paused sandboxes */
                disk_mb: number;
                /** @description MiB of memory of those sandboxes together */
                memory_mb: number;
                /** @description Sandboxes that exist and are not paused */
                sandboxes: number;
                /** @description Templates */
                templates: number;
                /** @description Virtual CPUs of those sandboxes together */
                vcpus: number;
            };
            usage: {
                /** @description MiB stored for templates and paused sandboxes */
                disk_mb: number;
                /** @description MiB of memory of those sandboxes together */
                memory_mb: number;
                /** @description Sandboxes that exist and are not paused */
                sandboxes: number;
                /** @description Templates */
                templates: number;
                /** @description Virtual CPUs of those sandboxes together */
                vcpus: number;
            };
        };
        /** TeamUsage */
        TeamUsage: {
            /** @description Every day of the time that was asked for, ascending, also those without use */
            days: {
                /** @description Minutes of processor time that microVMs used */
                cpu_minutes: number;
                /** Format: date */
                day: string;
                /** @description Disk that was the sandboxes' own, GiB × hours, also while they were paused */
                disk_gb_hours: number;
                /** @description Bytes that network cards sent, headers included */
                egress_bytes: number;
                /** @description Memory that was reserved, MiB × minutes, 61,440 of which are one GiB × hour: all that sandboxes have while they have a microVM */
                memory_mb_minutes: number;
            }[];
            /** Format: date */
            from: string;
            limits?: components["schemas"]["UsageLimits"];
            /** @description With `group_by=sandbox` */
            sandboxes?: {
                /** @description Minutes of processor time that microVMs used */
                cpu_minutes: number;
                /** @description Disk that was the sandboxes' own, GiB × hours, also while they were paused */
                disk_gb_hours: number;
                /** @description Bytes that network cards sent, headers included */
                egress_bytes: number;
                /** @description Memory that was reserved, MiB × minutes, 61,440 of which are one GiB × hour: all that sandboxes have while they have a microVM */
                memory_mb_minutes: number;
                name?: string;
                sandbox_id: string;
                template: string;
            }[];
            /** @description With `group_by=template` */
            templates?: {
                /** @description Minutes of processor time that microVMs used */
                cpu_minutes: number;
                /** @description Disk that was the sandboxes' own, GiB × hours, also while they were paused */
                disk_gb_hours: number;
                /** @description Bytes that network cards sent, headers included */
                egress_bytes: number;
                /** @description Memory that was reserved, MiB × minutes, 61,440 of which are one GiB × hour: all that sandboxes have while they have a microVM */
                memory_mb_minutes: number;
                template: string;
            }[];
            /** Format: date */
            to: string;
            total: components["schemas"]["UsageAmounts"];
        };
        /** Template */
        Template: {
            /** Format: date-time */
            created_at: string;
            /** @description Memory of its sandboxes in MiB, when it fixes it */
            memory_mb?: number;
            name: string;
            /** @description Id of the sandbox that it was made of; that one may be over */
            sandbox_id?: string;
            /** @description Bytes on disk: allocated blocks × 512 */
            size_bytes: number;
            /**
             * @description `base`: an image that boots; `snapshot`: made of a sandbox, whose vCPUs and memory it fixes
             * @enum {unknown}
             */
            type: "base" | "snapshot";
            /** @description vCPUs of its sandboxes, when it fixes them */
            vcpus?: number;
        };
        /** TransferOwnership */
        TransferOwnership: {
            /** @description User id */
            user_id: string;
        };
        /** UpdateMe */
        UpdateMe: {
            /**
             * @description 1 to 100 characters after trimming, no control characters
             * @example Ada Lovelace
             */
            name: string;
        };
        /** UpdateSandbox */
        UpdateSandbox: {
            /** @description A call that needs the sandbox resumes it when it is paused */
            auto_resume?: boolean;
            lease_sec?: number | null;
            /** @description Texts by key that the caller keeps with the sandbox, and may list by */
            metadata?: {
                [key: string]: string;
            };
            name?: string | null;
            /**
             * @description What inactivity leads to
             * @enum {unknown}
             */
            on_timeout?: "pause" | "destroy";
            /** @description Seconds of inactivity before `on_timeout` happens; 0 = never */
            timeout_sec?: number;
        };
        /** UpdateTeam */
        UpdateTeam: {
            /** @description Whether only the owner and admins may make and revoke API keys */
            api_keys_by_admins?: boolean;
            /** @description Whether the audit log tells of commands as they start in the team's sandboxes, with their arguments */
            audit_exec?: boolean;
            /** @description 1 to 128 letters a to z, digits, blanks and any of _ - @ ' */
            name?: string;
        };
        /** UpdateUser */
        UpdateUser: {
            /** @description Whether the user is shut out: each route and stream answers `account_deactivated` at once */
            deactivated?: boolean;
            /** @description Whether the user administers the platform; no takes single rights too */
            is_admin?: boolean;
        };
        /** UpdateWebhook */
        UpdateWebhook: {
            /** @description Whether it is told of what happens from now on, and waiting deliveries go on */
            enabled?: boolean;
            /** @description What it is told of: `*`, all events of a kind such as `sandbox.*`, or single ones */
            events?: ("*" | "sandbox.*" | "template.*" | "api_key.*" | "member.*" | "team.*" | "quota.*" | "host.*" | "sandbox.created" | "sandbox.changed" | "sandbox.deleted" | "template.created" | "template.changed" | "template.deleted" | "api_key.created" | "api_key.changed" | "api_key.deleted" | "member.created" | "member.changed" | "member.deleted" | "team.created" | "team.changed" | "team.deleted" | "quota.created" | "quota.changed" | "quota.deleted" | "host.created" | "host.changed" | "host.deleted")[];
            /**
             * @description `standard`: signed JSON (Standard Webhooks); `slack`, `discord`, `teams`, `matrix`: a text as incoming webhooks of these take it
             * @enum {unknown}
             */
            format?: "standard" | "slack" | "discord" | "teams" | "matrix";
            name?: string;
            /** @description Where messages are sent by POST */
            url?: string;
        };
        /** UsageAmounts */
        UsageAmounts: {
            /** @description Minutes of processor time that microVMs used */
            cpu_minutes: number;
            /** @description Disk that was the sandboxes' own, GiB × hours, also while they were paused */
            disk_gb_hours: number;
            /** @description Bytes that network cards sent, headers included */
            egress_bytes: number;
            /** @description Memory that was reserved, MiB × minutes, 61,440 of which are one GiB × hour: all that sandboxes have while they have a microVM */
            memory_mb_minutes: number;
        };
        /**
         * UsageLimits
         * @description What the team may use in this month, whatever time was asked for; among what a team has used only where a warning or limit is set
         */
        UsageLimits: {
            /** @description Minutes of processor time in a month */
            cpu_minutes: {
                /** @description How much may be used; absent: any amount */
                limit?: number;
                /**
                 * @description `warning`: the warning is reached; `reached`: the limit is, so the team's sandboxes are paused and none starts until the month ends or the limit is raised
                 * @enum {unknown}
                 */
                state: "ok" | "warning" | "reached";
                /** @description Minutes of processor time in a month: what was used until now */
                used: number;
                /** @description From how much on members are warned; absent: never */
                warning?: number;
            };
            /** @description Bytes that network cards send in a month */
            egress_bytes: {
                /** @description How much may be used; absent: any amount */
                limit?: number;
                /**
                 * @description `warning`: the warning is reached; `reached`: the limit is, so the team's sandboxes are paused and none starts until the month ends or the limit is raised
                 * @enum {unknown}
                 */
                state: "ok" | "warning" | "reached";
                /** @description Bytes that network cards send in a month: what was used until now */
                used: number;
                /** @description From how much on members are warned; absent: never */
                warning?: number;
            };
            /**
             * Format: date-time
             * @description When the next month begins, with nothing used
             */
            ends_at: string;
            /**
             * Format: date
             * @description First day of this month in UTC
             */
            from: string;
            /** @description Memory that is reserved in a month, MiB × minutes */
            memory_mb_minutes: {
                /** @description How much may be used; absent: any amount */
                limit?: number;
                /**
                 * @description `warning`: the warning is reached; `reached`: the limit is, so the team's sandboxes are paused and none starts until the month ends or the limit is raised
                 * @enum {unknown}
                 */
                state: "ok" | "warning" | "reached";
                /** @description Memory that is reserved in a month, MiB × minutes: what was used until now */
                used: number;
                /** @description From how much on members are warned; absent: never */
                warning?: number;
            };
            /**
             * @description The worst of all states
             * @enum {unknown}
             */
            state: "ok" | "warning" | "reached";
            /**
             * Format: date
             * @description Last day of this month
             */
            to: string;
        };
        /** UserSession */
        UserSession: {
            /** @description Address from which it was opened */
            address?: string;
            /** Format: date-time */
            created_at: string;
            /** @description Whether it is the session that asks */
            current: boolean;
            /**
             * Format: date-time
             * @description When it ends by itself
             */
            expires_at: string;
            /** @description Session id */
            id: string;
            /**
             * Format: date-time
             * @description Written every few seconds
             */
            last_used_at: string;
            /** @description What the client said of itself at the log-in, of which nothing is checked */
            user_agent?: string;
        };
        /** Webhook */
        Webhook: {
            /** Format: date-time */
            created_at: string;
            /** @description User id */
            created_by?: string;
            /**
             * @description Why the server has switched it off: `failing`: no delivery has succeeded for three days; `queue_full`: 10000 deliveries were waiting
             * @enum {unknown}
             */
            disabled_reason?: "failing" | "queue_full";
            /** @description Whether it is told of what happens from now on, and waiting deliveries go on */
            enabled: boolean;
            /** @description What it is told of: `*`, all events of a kind such as `sandbox.*`, or single ones */
            events: ("*" | "sandbox.*" | "template.*" | "api_key.*" | "member.*" | "team.*" | "quota.*" | "host.*" | "sandbox.created" | "sandbox.changed" | "sandbox.deleted" | "template.created" | "template.changed" | "template.deleted" | "api_key.created" | "api_key.changed" | "api_key.deleted" | "member.created" | "member.changed" | "member.deleted" | "team.created" | "team.changed" | "team.deleted" | "quota.created" | "quota.changed" | "quota.deleted" | "host.created" | "host.changed" | "host.deleted")[];
            /**
             * Format: date-time
             * @description First failure since the last success
             */
            failing_since?: string;
            /**
             * @description `standard`: signed JSON (Standard Webhooks); `slack`, `discord`, `teams`, `matrix`: a text as incoming webhooks of these take it
             * @enum {unknown}
             */
            format: "standard" | "slack" | "discord" | "teams" | "matrix";
            id: string;
            /** @description The newest message of its log, and when that was tried last, or noted; in lists alone */
            last_delivery?: {
                /** Format: date-time */
                at: string;
                /** @enum {unknown} */
                status: "pending" | "delivered" | "failed";
            };
            name: string;
            /**
             * Format: date-time
             * @description Until when messages have a signature of the former secret as well
             */
            previous_secret_valid_until?: string;
            /** @description Absent for one of the platform */
            team_id?: string;
            /** Format: date-time */
            updated_at: string;
            /** @description Where messages are sent by POST */
            url: string;
        };
        /** WebhookDelivery */
        WebhookDelivery: {
            attempts: number;
            /** Format: date-time */
            created_at: string;
            /** @description How long the last attempt took */
            duration_ms?: number;
            /** @description Why the last attempt had no answer, for people */
            error?: string;
            /** @description Type of the message, such as `sandbox.created`, or `test` */
            event: string;
            /** @description As the header `webhook-id` of each attempt has it */
            id: string;
            /** Format: date-time */
            last_attempt_at?: string;
            /**
             * Format: date-time
             * @description While it is pending
             */
            next_attempt_at?: string;
            /** @description How the last answer begins, 1024 characters at most */
            response?: string;
            /** @description HTTP status of the last answer */
            response_status?: number;
            /** @enum {unknown} */
            status: "pending" | "delivered" | "failed";
        };
        /** WebhookDeliveryPage */
        WebhookDeliveryPage: {
            items: components["schemas"]["WebhookDelivery"][];
            /** @description What to give as `cursor` for the next page; absent when this is the last one */
            next_cursor?: string;
        };
        /** WebhookSecret */
        WebhookSecret: {
            /**
             * Format: date-time
             * @description Until when messages have a signature of the former secret as well
             */
            previous_secret_valid_until?: string;
            /** @description What signatures are made with; it is shown only here */
            secret: string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
