// What the snippets of the documents take for granted.

declare const url: string;
declare const socket: import("@vestibule/client").VestibuleSocket;
declare function fetchToken(options: { fresh: boolean; signal: AbortSignal }): Promise<string>;
declare function getPassword(): Promise<string>;
declare function getToken(): Promise<string>;
declare function show(text: string): void;
declare function signIn(): Promise<void>;
declare const handle: (event: MessageEvent) => void;
