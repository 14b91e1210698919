# A password is told to nobody, so it can be neither read back nor imported: Terraform is told to leave it alone once the
# account is there.

resource "azuread_user" "lead" {
  user_principal_name = "tf-lead@${local.domain}"
  display_name        = "Terraform Lead"
  password            = var.password

  lifecycle {
    ignore_changes = [password, force_password_change]
  }
}

resource "azuread_user" "engineer" {
  user_principal_name         = "tf-engineer@${local.domain}"
  display_name                = "Terraform Engineer"
  password                    = var.password
  manager_id                  = azuread_user.lead.object_id
  account_enabled             = true
  age_group                   = "Adult"
  business_phones             = ["+49 341 555 0100"]
  city                        = "Leipzig"
  company_name                = "Brightwater Foods"
  cost_center                 = "4711"
  country                     = "Germany"
  department                  = "Platform"
  disable_password_expiration = true
  disable_strong_password     = true
  division                    = "Technology"
  employee_hire_date          = "2024-03-01T00:00:00Z"
  employee_id                 = "E-1009"
  employee_type               = "Employee"
  fax_number                  = "+49 341 555 0199"
  given_name                  = "Terraform"
  job_title                   = var.changed ? "Principal Engineer" : "Engineer"
  mail                        = "engineer@${local.domain}"
  mail_nickname               = "tf.engineer"
  mobile_phone                = "+49 170 555 0100"
  office_location             = "Leipzig"
  other_mails                 = ["engineer@example.org", "tf@example.org"]
  postal_code                 = "04103"
  preferred_language          = "de"
  show_in_address_list        = var.changed
  state                       = "Saxony"
  street_address              = "Am Werk 1"
  surname                     = "Engineer"
  usage_location              = "DE"

  lifecycle {
    ignore_changes = [password, force_password_change]
  }
}

resource "azuread_user" "analyst" {
  user_principal_name = "tf-analyst@${local.domain}"
  display_name        = "Terraform Analyst"
  password            = var.password
  manager_id          = var.changed ? null : azuread_user.lead.object_id

  lifecycle {
    ignore_changes = [password, force_password_change]
  }
}
