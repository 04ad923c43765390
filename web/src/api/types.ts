/** The shapes of the API, by short names. They come from our own OpenAPI document: a changed API breaks the build. */
import type { components } from "./schema";

type Schemas = components["schemas"];

/**
 * The document says of the state's members that a selection leaves them out; this page asks for all of them. Only a limit
 * lacks what its type does not use.
 */
type Whole<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { readonly [Name in keyof T]-?: Name extends "limit" ? Exclude<T[Name], undefined> : Whole<Exclude<T[Name], undefined>> }
    : T;

export type Capabilities = Whole<Schemas["Capabilities"]>;
export type ChargePoint = Whole<Schemas["ChargePoint"]>;
export type ChargePointBody = Schemas["ChargePointBody"];
export type ChargeSession = Schemas["SessionShape"];
export type Command = Schemas["CommandAnswer"];
export type Limit = Schemas["Limit"];
export type LiveEvent = Schemas["LiveEvent"]["event"];
export type LoginAnswer = Schemas["LoginAnswer"];
export type Me = Schemas["MeAnswer"];
export type Mode = Schemas["Mode"];
export type ProblemBody = Schemas["ProblemShape"];
export type SiteState = Whole<Schemas["StateAnswer"]>;

export type LiveMessage = (Omit<Schemas["LiveSnapshot"], "state"> & { readonly state: SiteState }) | Schemas["LiveChange"] | Schemas["LiveEvent"];
