{{/*
A name of at most `limit` characters: a longer one ends in a hash of itself, so that two long names stay two.
Takes (dict "name" "limit").
*/}}
{{- define "marksim.shorten" -}}
{{- $limit := int .limit -}}
{{- if gt (len .name) $limit -}}
{{- printf "%s-%s" (.name | trunc (int (sub $limit 9)) | trimSuffix "-") (.name | sha256sum | trunc 8) -}}
{{- else -}}
{{- .name | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "marksim.name" -}}
{{- include "marksim.shorten" (dict "name" (.Values.nameOverride | default .Chart.Name) "limit" 63) -}}
{{- end -}}

{{/*
What all object names begin with. Room is left for the longest of them: a StatefulSet's name goes, with a hash behind it, into
a label of 63 characters.
*/}}
{{- define "marksim.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- $full := .Values.fullnameOverride -}}
{{- if not $full -}}
{{- $full = ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- end -}}
{{- include "marksim.shorten" (dict "name" $full "limit" 41) -}}
{{- end -}}

{{/* Name of a component's objects. Takes (list $ "edge"). */}}
{{- define "marksim.componentName" -}}
{{- include "marksim.shorten" (dict "name" (printf "%s-%s" (include "marksim.fullname" (index . 0)) (index . 1)) "limit" 52) -}}
{{- end -}}

{{- define "marksim.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Labels that never change for a component of a release. Takes (list $ "edge"). */}}
{{- define "marksim.selectorLabels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "marksim.name" $root | quote }}
app.kubernetes.io/instance: {{ $root.Release.Name | quote }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Labels of an object. Takes (list $ "edge"), and further labels as a third. */}}
{{- define "marksim.labels" -}}
{{- $root := index . 0 -}}
{{- $own := dict
  "helm.sh/chart" (include "marksim.chart" $root)
  "app.kubernetes.io/version" (($root.Values.image.tag | default $root.Chart.AppVersion) | replace "+" "_" | trunc 63)
  "app.kubernetes.io/managed-by" $root.Release.Service
  "app.kubernetes.io/part-of" "marksim"
-}}
{{- $more := dict -}}
{{- if gt (len .) 2 -}}
{{- $more = index . 2 -}}
{{- end -}}
{{- toYaml (merge (include "marksim.selectorLabels" . | fromYaml) $own (deepCopy $more) $root.Values.commonLabels) -}}
{{- end -}}

{{/* `annotations:` of an object, or nothing. Takes (list $ {annotations}). */}}
{{- define "marksim.annotations" -}}
{{- with merge (deepCopy (index . 1)) (index . 0).Values.commonAnnotations -}}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* `name`, `namespace`, `labels` and `annotations` of a component's object. Takes (dict "root" "component" "name" "labels" "annotations"). */}}
{{- define "marksim.metadata" -}}
name: {{ .name | default (include "marksim.componentName" (list .root .component)) | quote }}
namespace: {{ .root.Release.Namespace | quote }}
labels:
  {{- include "marksim.labels" (list .root .component (.labels | default dict)) | nindent 2 }}
{{- with include "marksim.annotations" (list .root (.annotations | default dict)) }}
{{ . }}
{{- end }}
{{- end -}}

{{- define "marksim.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "marksim.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{- define "marksim.image" -}}
{{- $image := .Values.image -}}
{{- $registry := .Values.global.imageRegistry | default $image.registry -}}
{{- $name := ternary (printf "%s/%s" $registry $image.repository) $image.repository (ne $registry "") -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $name $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name ($image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "marksim.pullSecrets" -}}
{{- with concat .Values.global.imagePullSecrets .Values.image.pullSecrets | uniq -}}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end -}}
{{- end -}}
