// What the gateway tells (docs/operate/openapi.json).

export interface Connection {
  readonly id: string;
  readonly subject: string;
  readonly issuer: string;
  readonly mechanism: string;
  methods?: readonly string[];
  context?: string;
  readonly carrier: string;
  readonly route: string;
  readonly address: string;
  readonly origin?: string;
  readonly since: number;
  expires: number;
  lease_ends?: number;
  token?: string;
  readonly session?: string;
  stepped_up?: number;
  step_up_due?: number;
  to_client: number;
  to_upstream: number;
}

export interface KeySet {
  readonly name: string;
  readonly kind: string;
  readonly state: string;
  readonly keys: number;
  readonly age?: number;
  readonly last_success?: number;
  readonly last_error?: string;
}

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Status {
  readonly state: string;
  readonly issuers: readonly KeySet[];
  readonly metrics: readonly Sample[];
}

export interface Told {
  readonly time: number;
  readonly status: Status;
  readonly more: boolean;
  readonly put: readonly Connection[];
  readonly moved: readonly (readonly [string, number, number])[];
  readonly gone: readonly string[];
}

export interface Revocation {
  readonly id: string;
  readonly token?: string;
  readonly session?: string;
  readonly subject?: string;
  readonly everything?: boolean;
  readonly issuer?: string;
  readonly issued_before?: number;
  readonly until?: number;
  readonly made: number;
  readonly by: string;
  readonly reason?: string;
}

export interface User {
  readonly name: string;
  readonly state: string;
  readonly scopes: readonly string[];
  readonly groups: readonly string[];
  readonly email?: string;
  readonly display_name?: string;
  readonly created: number;
  readonly changed: number;
}

export interface Key {
  readonly id: string;
  readonly user?: string;
  readonly machine?: string;
  readonly label: string;
  readonly scopes: readonly string[];
  readonly created: number;
  readonly expires?: number;
  readonly used?: number;
}
