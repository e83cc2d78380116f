//! The `OpenAPI` 3.1 document, made of the table of operations and the types of the API.

use serde_json::{Map, Value, json};

use super::{
    objects::OBJECTS,
    table::{OPERATIONS, Operation},
};

/// The document; `docs/operate/openapi.json` is the same.
pub fn document() -> Value {
    let mut paths = Map::new();
    for operation in OPERATIONS {
        let methods = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Some(methods) = methods.as_object_mut() {
            methods.insert(operation.method.as_str().to_ascii_lowercase(), described(operation));
        }
    }
    let schemas: Map<_, _> =
        OBJECTS.iter().map(|(name, schema)| ((*name).to_owned(), schema())).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Vestibule admin API",
            "version": "1",
            "description": "What an operator asks of a running gateway. Times are seconds since \
                            1970, UTC; spans are seconds. Members and parameters that are not \
                            listed are refused.",
        },
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The token in the file that `token_file` of `[admin]` names.",
                },
            },
        },
    })
}

fn described(operation: &Operation) -> Value {
    let Operation { call: _, name, method: _, path, about, query, body, status, answer, errors } =
        operation;
    let mut parameters = Vec::new();
    if let Some(argument) = path.split_once('{').and_then(|(_, rest)| rest.split_once('}')) {
        parameters.push(json!({
            "name": argument.0, "in": "path", "required": true, "schema": { "type": "string" },
        }));
    }
    for parameter in *query {
        parameters.push(json!({
            "name": parameter.name, "in": "query", "description": parameter.about,
            "schema": (parameter.schema)(),
        }));
    }
    let mut answers = Map::new();
    let done = match answer {
        Some(schema) => json!({ "description": "Done.", "content": content(&schema()) }),
        None => json!({ "description": "Done." }),
    };
    answers.insert(status.to_string(), done);
    for error in [400, 401, 421, 429, 503].iter().chain(*errors) {
        let problem = content(&json!({ "$ref": "#/components/schemas/Problem" }));
        let said = json!({ "description": said(*error), "content": problem });
        answers.insert(error.to_string(), said);
    }
    let mut described = json!({ "operationId": name, "summary": about, "responses": answers });
    if let Some(members) = described.as_object_mut() {
        if !parameters.is_empty() {
            members.insert("parameters".into(), parameters.into());
        }
        if let Some(schema) = body {
            let body = json!({ "required": true, "content": content(&schema()) });
            members.insert("requestBody".into(), body);
        }
    }
    described
}

fn content(schema: &Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}

const fn said(status: u16) -> &'static str {
    match status {
        400 => "The request makes no sense.",
        401 => "No token, or not the right one.",
        403 => "From the page of somebody else.",
        404 => "There is no such thing.",
        409 => "It is there already, or has changed meanwhile.",
        426 => "This is a WebSocket.",
        421 => "The Host is not an address of this machine.",
        429 => "Too many requests with a wrong token.",
        503 => "The store cannot answer, or the gateway was not set up for it.",
        _ => "It did not work.",
    }
}
