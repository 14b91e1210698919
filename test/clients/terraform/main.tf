# What a team that keeps its privileged access in Terraform writes down: people, groups, units, roles, and who is eligible
# for what under which rules. Where the server is and who signs in comes from the environment (see README.md).

terraform {
  required_providers {
    azuread = {
      source = "hashicorp/azuread"
    }
  }
}

provider "azuread" {}

variable "password" {
  description = "The first password of the people that are made."
  type        = string
  sensitive   = true
}

variable "until" {
  description = "When what is not permanent ends, in RFC 3339."
  type        = string
}

variable "changed" {
  description = "Whether the organisation is as it is after the change."
  type        = bool
  default     = false
}

data "azuread_client_config" "current" {}

data "azuread_domains" "default" {
  only_default = true
}

locals {
  domain = data.azuread_domains.default.domains[0].domain_name
}
