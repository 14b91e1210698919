# Groups whose members Terraform keeps, and one whose members come and go by PIM. Whether to look for duplicate names is a
# setting of the provider's own, which no server can tell when a group or unit is imported.

resource "azuread_group" "team" {
  display_name            = "Terraform team"
  description             = var.changed ? "Those who build, and who look" : "Those who build"
  security_enabled        = true
  prevent_duplicate_names = true
  owners                  = [data.azuread_client_config.current.object_id, azuread_user.lead.object_id]
  members = var.changed ? [
    azuread_user.engineer.object_id, azuread_user.analyst.object_id,
  ] : [azuread_user.engineer.object_id]

  lifecycle {
    ignore_changes = [prevent_duplicate_names]
  }
}

resource "azuread_group" "operators" {
  display_name       = "Terraform operators"
  mail_nickname      = "tf-operators"
  security_enabled   = true
  assignable_to_role = true
  owners             = var.changed ? [azuread_user.lead.object_id, azuread_user.engineer.object_id] : [azuread_user.lead.object_id]
  members            = [azuread_user.engineer.object_id]
}

# PIM gives and takes the members of this one, so that the list is not written down here.
resource "azuread_group" "privileged" {
  display_name       = "Terraform privileged"
  security_enabled   = true
  assignable_to_role = true
}

resource "azuread_group_member" "privileged_lead" {
  group_object_id  = azuread_group.privileged.object_id
  member_object_id = azuread_user.lead.object_id
}

resource "azuread_administrative_unit" "plant" {
  display_name              = "Terraform plant"
  description               = var.changed ? "The plant and the yard" : "The plant"
  hidden_membership_enabled = var.changed
  prevent_duplicate_names   = true
  members = var.changed ? [
    azuread_user.engineer.object_id, azuread_user.analyst.object_id,
  ] : [azuread_user.engineer.object_id]

  lifecycle {
    ignore_changes = [prevent_duplicate_names]
  }
}

resource "azuread_administrative_unit" "lab" {
  display_name = "Terraform lab"
}

resource "azuread_administrative_unit_member" "lab_analyst" {
  administrative_unit_object_id = azuread_administrative_unit.lab.object_id
  member_object_id              = azuread_user.analyst.object_id
}

resource "azuread_administrative_unit" "yard" {
  display_name = "Terraform yard"
}

# A group that is made within a unit. The provider wants to know all units of a group at the group itself.
resource "azuread_group" "lab" {
  display_name     = "Terraform lab team"
  security_enabled = true
  administrative_unit_ids = var.changed ? [
    azuread_administrative_unit.lab.object_id, azuread_administrative_unit.yard.object_id,
  ] : [azuread_administrative_unit.lab.object_id]
}
