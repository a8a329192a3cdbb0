{{/* What the schema cannot say: values that are each right, but not together. */}}
{{- define "marksim.validate" -}}
{{- include "marksim.validateNames" . -}}
{{- include "marksim.validateComponents" . -}}
{{- include "marksim.validateArchive" . -}}
{{- include "marksim.validateShards" . -}}
{{- include "marksim.validateGroups" . -}}
{{- include "marksim.validateRelease" . -}}
{{- include "marksim.validateDoors" . -}}
{{- end -}}

{{/* Helm takes release names that begin with a digit or have a dot, Kubernetes takes no such name for a Service. */}}
{{- define "marksim.validateNames" -}}
{{- $name := include "marksim.fullname" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- fail (printf "objects would be named %s-..., and the name of a Service begins with a letter and has only a-z, 0-9 and -: choose another release name, or set fullnameOverride" $name) -}}
{{- end -}}
{{- end -}}

{{/* Settings that the chart gives itself, and the value that changes each. */}}
{{- define "marksim.reserved" -}}
host: host
grpc_port: service.ports
http_port: service.ports
port: service.ports
log_level: log.level
log_format: log.format
grace_s: graceSeconds
scenario: scenario.name or scenario.inline
set: scenario.set
seed: scenario.seed
speed: scenario.speed
shards: orderbook.shards
shard: orderbook.shards
assign: orderbook.assign
symbols: engine.groups
orderbook: orderbook.shards
feed: dashboard.feed
dir: archiver.persistence
journal: orderbook.persistence
durability: orderbook.durability
new_run: newRun
state: engine.persistence
targets: the enabled components
{{- end -}}

{{- define "marksim.validateComponents" -}}
{{- $reserved := include "marksim.reserved" . | fromYaml -}}
{{- range $component := list "orderbook" "engine" "edge" "dashboard" "archiver" "memory" -}}
{{- $values := include "marksim.component" (list $ $component) | fromYaml -}}
{{- $needed := add $values.graceSeconds $values.preStopSeconds -}}
{{- if le (int $values.terminationGracePeriodSeconds) (int $needed) -}}
{{- fail (printf "%s.terminationGracePeriodSeconds is %d, and must be more than graceSeconds and preStopSeconds together (%d): the kubelet would kill the pod at work" $component (int $values.terminationGracePeriodSeconds) (int $needed)) -}}
{{- end -}}
{{- range $setting, $_ := $values.settings -}}
{{- if hasKey $reserved ($setting | replace "-" "_") -}}
{{- fail (printf "%s.settings.%s is set by the chart; change %s instead" $component $setting (get $reserved ($setting | replace "-" "_"))) -}}
{{- end -}}
{{- end -}}
{{- if and (has $component (list "engine" "edge" "archiver")) $values.enabled (not $.Values.orderbook.enabled) -}}
{{- fail (printf "%s.enabled is true and orderbook.enabled is false: without an order book the %s has nothing to do" $component $component) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.dashboard.enabled (not .Values.edge.enabled) (not .Values.dashboard.feed) -}}
{{- fail "dashboard.enabled is true and edge.enabled is false: name another release's feed in dashboard.feed, or disable the dashboard" -}}
{{- end -}}
{{- $only := dict
  "engine" "one engine owns the clock of all shards, so there is one; groups of symbols that no agent crosses get their own by engine.groups"
  "archiver" "one archiver at a time writes to an archive"
  "memory" "one memory monitor asks every pod"
-}}
{{- range $component, $why := $only -}}
{{- $replicas := (index $.Values $component).replicas -}}
{{- if kindIs "invalid" $replicas -}}
{{- /* The usual case: nothing was said. */ -}}
{{- else if eq (int $replicas) 0 -}}
{{- fail (printf "%s.replicas is 0: to have none, use %s.enabled=false" $component $component) -}}
{{- else if ne (int $replicas) 1 -}}
{{- fail (printf "%s.replicas is %d: %s" $component (int $replicas) $why) -}}
{{- end -}}
{{- end -}}
{{- if not (kindIs "invalid" .Values.orderbook.replicas) -}}
{{- fail "orderbook.replicas: an order book scales by shards, and a symbol lives on one; use orderbook.shards" -}}
{{- end -}}
{{- end -}}

{{- define "marksim.validateArchive" -}}
{{- $persistence := .Values.archiver.persistence -}}
{{- if and $persistence.existingClaim (not $persistence.enabled) -}}
{{- fail (printf "archiver.persistence.enabled is false and existingClaim is %s: the archive would end with its pod, and never reach the claim; set enabled to true, or name no claim" $persistence.existingClaim) -}}
{{- end -}}
{{- end -}}

{{- define "marksim.validateShards" -}}
{{- $shards := int .Values.orderbook.shards -}}
{{- range $symbol, $shard := .Values.orderbook.assign -}}
{{- if ge (int $shard) $shards -}}
{{- fail (printf "orderbook.assign puts %s on shard %d, but orderbook.shards is %d, so the last shard is %d" $symbol (int $shard) $shards (sub $shards 1)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "marksim.validateGroups" -}}
{{- $shards := int .Values.orderbook.shards -}}
{{- $groupOfShard := dict -}}
{{- $groupOfSymbol := dict -}}
{{- $names := dict -}}
{{- range $group := .Values.engine.groups -}}
{{- if hasKey $names $group.name -}}
{{- fail (printf "engine.groups has two groups named %s" $group.name) -}}
{{- end -}}
{{- $_ := set $names $group.name true -}}
{{- if not $group.shards -}}
{{- fail (printf "engine.groups: group %s has no shards, so its engine would have no order book" $group.name) -}}
{{- end -}}
{{- if not $group.symbols -}}
{{- fail (printf "engine.groups: group %s has no symbols, so its engine would have nothing to trade" $group.name) -}}
{{- end -}}
{{- range $shard := $group.shards -}}
{{- if ge (int $shard) $shards -}}
{{- fail (printf "engine.groups: group %s has shard %d, but orderbook.shards is %d, so the last shard is %d" $group.name (int $shard) $shards (sub $shards 1)) -}}
{{- end -}}
{{- if hasKey $groupOfShard (toString $shard) -}}
{{- fail (printf "engine.groups: shard %d is in the groups %s and %s; one engine owns the clock of a shard" (int $shard) (get $groupOfShard (toString $shard)) $group.name) -}}
{{- end -}}
{{- $_ := set $groupOfShard (toString $shard) $group.name -}}
{{- end -}}
{{- range $symbol := $group.symbols -}}
{{- if hasKey $groupOfSymbol $symbol -}}
{{- fail (printf "engine.groups: %s is in the groups %s and %s" $symbol (get $groupOfSymbol $symbol) $group.name) -}}
{{- end -}}
{{- $_ := set $groupOfSymbol $symbol $group.name -}}
{{- if not (hasKey $.Values.orderbook.assign $symbol) -}}
{{- fail (printf "engine.groups: group %s has %s, which orderbook.assign puts on no shard; a group's symbols must be on its own shards, so say which" $group.name $symbol) -}}
{{- end -}}
{{- $shard := int (get $.Values.orderbook.assign $symbol) -}}
{{- $own := list -}}
{{- range $group.shards -}}{{- $own = append $own (int .) -}}{{- end -}}
{{- if not (has $shard $own) -}}
{{- fail (printf "engine.groups: group %s has %s, but orderbook.assign puts it on shard %d, which is not the group's" $group.name $symbol $shard) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if .Values.engine.groups -}}
{{- range $shard := until $shards -}}
{{- if not (hasKey $groupOfShard (toString $shard)) -}}
{{- fail (printf "engine.groups: shard %d is in no group, so no engine would drive it" $shard) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "marksim.validateRelease" -}}
{{- if and .Values.scenario.inline (not (has .Values.scenario.name (list "" "default"))) -}}
{{- fail (printf "scenario.name is %s and scenario.inline is given: only one can be run; an inline scenario may begin with `extends: %s`" .Values.scenario.name .Values.scenario.name) -}}
{{- end -}}
{{- if and (not .Values.scenario.inline) (not .Values.scenario.name) -}}
{{- fail "scenario.name is empty and scenario.inline too: there is nothing to run" -}}
{{- end -}}
{{- if and .Values.scenario.files (not .Values.scenario.inline) -}}
{{- fail (printf "scenario.files has %s, and nothing reads it: give the scenario that does as scenario.inline" (keys .Values.scenario.files | sortAlpha | join ", ")) -}}
{{- end -}}
{{- $speed := toString .Values.scenario.speed -}}
{{- if and (not (has $speed (list "" "max"))) (or (lt (float64 $speed) 0.001) (gt (float64 $speed) 1000000.0)) -}}
{{- fail (printf "scenario.speed is %s, and must be `max` or a number from 0.001 to 1000000" $speed) -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.metrics.podMonitor.enabled -}}
{{- fail "metrics.serviceMonitor and metrics.podMonitor are both enabled: every pod would be scraped twice" -}}
{{- end -}}
{{- range $label := list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" -}}
{{- $places := dict "commonLabels" $.Values.commonLabels "defaults.podLabels" $.Values.defaults.podLabels -}}
{{- range $component := list "orderbook" "engine" "edge" "dashboard" "archiver" "memory" -}}
{{- $_ := set $places (printf "%s.podLabels" $component) (get (index $.Values $component) "podLabels" | default dict) -}}
{{- end -}}
{{- range $place, $labels := $places -}}
{{- if hasKey $labels $label -}}
{{- fail (printf "%s has %s, by which the release selects its pods; nameOverride changes names" $place $label) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "marksim.validateDoors" -}}
{{- range $component := list "edge" "dashboard" -}}
{{- $values := include "marksim.component" (list $ $component) | fromYaml -}}
{{- if and $values.ingress.enabled (not $values.ingress.hosts) -}}
{{- fail (printf "%s.ingress is enabled and has no hosts" $component) -}}
{{- end -}}
{{- if and $values.httpRoute.enabled (not $values.httpRoute.parentRefs) -}}
{{- fail (printf "%s.httpRoute is enabled and has no parentRefs, so no gateway would take it" $component) -}}
{{- end -}}
{{- end -}}
{{- with .Values.dashboard.feed -}}
{{- $port := include "marksim.feedPort" . | int -}}
{{- if or (lt $port 1) (gt $port 65535) -}}
{{- fail (printf "dashboard.feed is %s, whose port is not from 1 to 65535" .) -}}
{{- end -}}
{{- end -}}
{{- $scaling := .Values.edge.autoscaling -}}
{{- if $scaling.enabled -}}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) -}}
{{- fail (printf "edge.autoscaling.minReplicas is %d and maxReplicas only %d" (int $scaling.minReplicas) (int $scaling.maxReplicas)) -}}
{{- end -}}
{{- if not (or $scaling.targetCPUUtilizationPercentage $scaling.targetMemoryUtilizationPercentage $scaling.metrics) -}}
{{- fail "edge.autoscaling is enabled and aims at nothing: give a target or metrics" -}}
{{- end -}}
{{- end -}}
{{- end -}}
